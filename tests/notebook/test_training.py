"""A training that a cell follows: what is shown, and how it is stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import cast

import pytest

from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import RunningCommand
from ocr_train.notebook.training import TrainedRun, TrainingView, follow_command, last_run, start_training
from ocr_train.tracking.journal import Journal, Metric
from ocr_train.tracking.run_folder import JOURNAL, RunFacts, read_facts, write_facts
from tests.commands import SCRIPTED, none_of
from tests.notebook.conftest import Shown


class FakeCommand:
    """Prints lines; a KeyboardInterrupt among them is the stop button."""

    def __init__(self, *answers: list[str] | type[BaseException] | None) -> None:
        self._answers = list(answers)
        self.done: list[str] = []

    def lines(self, _wait_s: float) -> list[str] | None:
        """The next answer."""
        answer = self._answers.pop(0)
        if isinstance(answer, type):
            raise answer
        return answer

    def interrupt(self) -> None:
        """Noted."""
        self.done.append("interrupt")

    def kill(self) -> None:
        """Noted."""
        self.done.append("kill")


def followed(*answers: list[str] | type[BaseException] | None) -> tuple[FakeCommand, TrainingView]:
    """A command after it was followed to its end."""
    command, view = FakeCommand(*answers), TrainingView(clock=lambda: 0.0)
    follow_command(cast("RunningCommand", command), view)
    return command, view


def test_the_stop_button_asks_it_to_end_and_waits(shown: Shown) -> None:
    """What it prints while it ends is shown, too."""
    command, view = followed(["epoch 1/2"], KeyboardInterrupt, ["KILLED after 0:00:05"], None)
    assert command.done == ["interrupt"]
    assert "stopping" in view.note
    view.finish(130)
    assert "KILLED after" in shown.text


def test_an_impatient_second_press_changes_nothing_and_a_third_kills(shown: Shown) -> None:
    """People press twice."""
    assert followed(KeyboardInterrupt, KeyboardInterrupt, None)[0].done == ["interrupt"]
    assert followed(*[KeyboardInterrupt] * 3, None)[0].done == ["interrupt", "kill"]


def test_one_output_is_updated_and_has_curves_and_state(tmp_path: Path, shown: Shown) -> None:
    """The run's folder is in its first line; the output is the same from beginning to end."""
    journal = Journal(tmp_path / JOURNAL)
    journal.append([Metric(key="train/loss", value=2.5, step=4, time_ms=0)])
    journal.append([Metric(key="eval/acc", value=0.25, step=4, time_ms=0)])
    journal.close()
    view = TrainingView(clock=lambda: 0.0)
    view.command = "python -m ocr_train train"
    view.take([f"run abc in {tmp_path}", "data: <16> samples"])
    view.finish(0)
    assert view.run == ("abc", tmp_path)
    assert [(one["handle"] == shown[0]["handle"], one["update"]) for one in shown] == [
        (True, False),
        (True, True),
    ]
    assert "step 4  loss 2.5   eval/acc 0.2500 (best 0.2500)" in shown.text
    assert "&lt;16&gt;" in shown.html
    assert "data:image/png;base64," in shown.html


def test_it_is_drawn_now_and_then_only(shown: Shown) -> None:
    """Every two seconds at most."""
    now = [0.0]
    view = TrainingView(clock=lambda: now[0])
    for moment in (0.0, 0.5, 1.9, 2.1, 2.2):
        now[0] = moment
        view.take(["line"])
    assert len(shown) == 2


def test_the_newest_run_is_found_again_after_a_restart(
    choices: Choices, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the epochs that its configuration has; without a run the cell says so."""
    with pytest.raises(CellStopped, match="no run"):
        last_run(choices)
    for number, name in enumerate(("old", "new")):
        folder = choices.output / name
        folder.mkdir(parents=True)
        write_facts(folder, RunFacts(run_id=name, status="FINISHED"))
        os.utime(folder / "run.json", (number + 1, number + 1))
        (folder / "config.yml").write_text("Global: {epoch_num: 3}\n", encoding="utf-8")
    run = last_run(choices)
    assert (run.run_id, run.epochs, run.parameters) == ("new", 3, {"model": "det"})
    assert "FINISHED" in capsys.readouterr().out


def scripted(folder: Path, data: Path) -> tuple[Choices, dict[str, str]]:
    """Choices and parameters of a training by the scripted trainer."""
    given = {
        "model": "rec_mv3_none_bilstm_ctc",
        "data": str(data),
        "paddleocr": str(SCRIPTED),
        "epochs": "2",
        "batch_size": "4",
        "offline": "true",
    }
    return Choices(folder=folder), given


@pytest.mark.slow
def test_a_training_that_is_stopped_ends_as_killed_and_keeps_what_it_has(
    tmp_path: Path, data: Path, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop button, for real: the trainer hangs after its first epoch; nothing of it runs on."""
    choices, given = scripted(tmp_path, data)
    monkeypatch.setenv("SCRIPTED_FAULT", "hang")

    def press() -> None:
        deadline = time.monotonic() + 100
        while "train/loss" not in _journal(choices) and time.monotonic() < deadline:
            time.sleep(0.1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(CellStopped, match="was stopped") as stopped:
        start_training(choices, given)
    finger.join()
    assert "notebook.last_run" in stopped.value.hint
    [folder] = choices.output.glob("*/run.json")
    facts = read_facts(folder.parent)
    assert facts is not None
    assert facts.status == "KILLED"
    assert none_of(tmp_path)


def _journal(choices: Choices) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in choices.output.glob(f"*/{JOURNAL}"))


def test_a_wrong_parameter_starts_nothing(choices: Choices) -> None:
    """Nothing was started, and no folder made."""
    with pytest.raises(Exception, match="epochs"):
        start_training(choices, {"model": "det", "epochs": "many"})
    assert not choices.output.exists()


def test_a_run_whose_configuration_is_gone_says_so(tmp_path: Path) -> None:
    """Resuming it needs to know its epochs."""
    with pytest.raises(Exception, match=r"config\.yml"):
        _ = TrainedRun(run_id="x", folder=tmp_path, parameters={}).epochs
