"""validate, parse-log and demo-data on the command line: answers, files, exit statuses, user mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli_run import command, det_data, rec_data
from tests.commands import environment, ocr_train

Capsys = pytest.CaptureFixture[str]


def dictionary_data(folder: Path, texts: Sequence[str]) -> Path:
    """Recognition labels beside a dictionary of 0-9a-z."""
    (folder / "dict.txt").write_text("\n".join("0123456789abcdefghijklmnopqrstuvwxyz") + "\n")
    return rec_data(folder, texts)


def test_clean_labels_exit_0(capsys: Capsys, tmp_path: Path) -> None:
    """Nothing wrong: status 0, and where images were looked for."""
    labels = rec_data(tmp_path, ["abc", "12"])
    ran = command(capsys, "validate", "--task", "rec", labels)
    assert ran.code == 0
    assert "2 labels, 0 errors" in ran.out
    assert str(tmp_path) in ran.out


def test_problems_exit_3_with_file_line_and_hint(capsys: Capsys, tmp_path: Path) -> None:
    """A bad line is named with its place, what stands there and what to do."""
    labels = dictionary_data(tmp_path, ["abc", "x-y"])
    ran = command(capsys, "validate", "--task", "rec", labels)
    assert ran.code == 3
    assert f"{labels}:2: outside_dictionary 'x-y': not in the dictionary: '-'" in ran.out
    assert "--on-bad-sample quarantine" in ran.out


def test_the_names_say_which_files_are_for_validation(capsys: Capsys, tmp_path: Path) -> None:
    """As in a training: an image in both is an error of the validation line, and --leaks says what else to do."""
    train = rec_data(tmp_path, ["a", "b", "c", "d"], name="train.txt")
    (tmp_path / "val.txt").write_text("img/1.jpg\tb\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("./img/2.jpg\tc\n", encoding="utf-8")
    files = (train, tmp_path / "val.txt", tmp_path / "test.txt")
    ran = command(capsys, "validate", "--task", "rec", *files, "--html", tmp_path / "report.html")
    assert ran.code == 3
    assert "2 of 2 validation images are also training images: the scores would be too good" in ran.out
    assert f"{files[1]}:1: leak 'img/1.jpg': {train}:2, for training, has the same image" in ran.out
    assert "2 of 2 validation images" in (tmp_path / "report.html").read_text(encoding="utf-8")
    dropped = command(capsys, "validate", "--task", "rec", *files, "--leaks", "drop")
    assert dropped.code == 0
    assert "2 training samples with them are left out of training" in dropped.out


def test_json_has_the_documented_shape(capsys: Capsys, tmp_path: Path) -> None:
    """labels, problems with file, line, kind, value and hint, and counts."""
    labels = dictionary_data(tmp_path, ["abc", "x-y"])
    answer = tmp_path / "new" / "problems.json"
    assert command(capsys, "validate", "--task", "rec", labels, "--json", answer).code == 3
    content = json.loads(answer.read_text(encoding="utf-8"))
    assert content["labels"] == 2
    assert content["counts"] == {"outside_dictionary": 1}
    assert content["problems"][0] | {"hint": ""} == {
        "file": str(labels),
        "line": 2,
        "kind": "outside_dictionary",
        "value": "x-y",
        "hint": "",
    }


def test_json_on_stdout_is_nothing_but_json(capsys: Capsys, tmp_path: Path) -> None:
    """With `--json -` the words for people go to stderr."""
    ran = command(capsys, "validate", "--task", "rec", dictionary_data(tmp_path, ["a", "-"]), "--json", "-")
    assert ran.json["counts"] == {"outside_dictionary": 1}
    assert "2 labels, 1 errors" in ran.err


def test_equal_problems_are_one_line_and_of_a_kind_ten_are_listed(capsys: Capsys, tmp_path: Path) -> None:
    """The rest is a number; the JSON has them all."""
    labels = dictionary_data(tmp_path, ["-"] * 30 + [f"-{number}" for number in range(30)])
    ran = command(capsys, "validate", "--task", "rec", labels, "--json", tmp_path / "all.json")
    assert ran.out.count("outside_dictionary '-'") == 1
    assert "(30 times, also at line 2, line 3, line 4, line 5, ...)" in ran.out
    assert ran.out.count(": outside_dictionary '") == 10
    assert "... and 21 more outside_dictionary" in ran.out
    assert len(json.loads((tmp_path / "all.json").read_text())["problems"]) == 60


def test_html_and_quarantine_are_written(capsys: Capsys, tmp_path: Path) -> None:
    """A page to look at, and the bad lines as they were."""
    labels = dictionary_data(tmp_path, ["abc", "x-y"])
    html, listing = tmp_path / "out" / "report.html", tmp_path / "out" / "bad.tsv"
    ran = command(capsys, "validate", "--task", "rec", labels, "--html", html, "--quarantine", listing)
    assert "<html" in html.read_text(encoding="utf-8")
    assert listing.read_text(encoding="utf-8") == f"{labels}:2\toutside_dictionary\timg/1.jpg\tx-y\n"
    assert str(html) in ran.out
    assert str(listing) in ran.out


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("--ctc-steps", "5"), "ctc_infeasible"),
        (("--max-text-length", "3"), "too_long"),
    ],
)
def test_recognition_limits_are_checked(
    capsys: Capsys, tmp_path: Path, options: tuple[str, ...], kind: str
) -> None:
    """A text that a model of these figures cannot learn is a problem; without them it is none."""
    labels = rec_data(tmp_path, ["aabb"])
    assert command(capsys, "validate", "--task", "rec", labels).code == 0
    ran = command(capsys, "validate", "--task", "rec", labels, *options)
    assert (ran.code, kind in ran.out) == (3, True)


def test_the_dictionary_decides_what_is_readable(capsys: Capsys, tmp_path: Path) -> None:
    """Upper case needs a dictionary that has it; the space needs its option."""
    labels = rec_data(tmp_path, ["A A"])
    (tmp_path / "chars.dict").write_text("A\n")
    without = command(capsys, "validate", "--task", "rec", labels, "--dict", tmp_path / "chars.dict")
    assert without.code == 3
    options = ("--dict", tmp_path / "chars.dict", "--use-space-char")
    assert command(capsys, "validate", "--task", "rec", labels, *options).code == 0


def test_images_of_ppocrlabel_are_found_above_the_label_file(capsys: Capsys, tmp_path: Path) -> None:
    """`<folder>/<image>` beside the images, as PPOCRLabel writes it, needs no --images."""
    det_data(tmp_path, 2)
    (tmp_path / "Label.txt").rename(tmp_path / "img" / "Label.txt")
    assert command(capsys, "validate", "--task", "det", tmp_path / "img" / "Label.txt").code == 0


def test_label_files_in_different_folders_need_a_word_about_images(capsys: Capsys, tmp_path: Path) -> None:
    """Images of one of them would all be missing: that is asked, not reported."""
    one, two = det_data(tmp_path / "a", 1), det_data(tmp_path / "b", 1)
    ran = command(capsys, "validate", "--task", "det", one, two)
    assert ran.code == 2
    assert "--images" in ran.err


def test_all_images_missing_is_answered_with_images(capsys: Capsys, tmp_path: Path) -> None:
    """Not the lines but the folder is wrong then."""
    labels = det_data(tmp_path, 3)
    (tmp_path / "else").mkdir()
    ran = command(capsys, "validate", "--task", "det", labels, "--images", tmp_path / "else")
    assert ran.code == 3
    assert ran.out.rstrip().endswith("name their folder with --images")


def test_an_option_for_another_task_is_refused(capsys: Capsys, tmp_path: Path) -> None:
    """A dictionary given to a detection check would check nothing."""
    labels = det_data(tmp_path, 1)
    ran = command(capsys, "validate", "--task", "det", labels, "--ctc-steps", "25")
    assert ran.code == 2
    assert "--ctc-steps: only for --task rec" in ran.err


def test_a_model_brings_its_limits(capsys: Capsys, tmp_path: Path) -> None:
    """--model rec_mv3_none_bilstm_ctc: its characters, its text length, its CTC steps; without it characters are not checked."""
    labels = rec_data(tmp_path, ["A b", "ü"])
    ran = command(capsys, "validate", "--task", "rec", labels)
    assert (ran.code, "characters are not checked" in ran.out) == (0, True)
    assert (
        command(capsys, "validate", "--task", "rec", labels, "--model", "rec_mv3_none_bilstm_ctc").code == 3
    )
    labels = rec_data(tmp_path, ["A b"])
    assert (
        command(capsys, "validate", "--task", "rec", labels, "--model", "rec_mv3_none_bilstm_ctc").code == 0
    )
    labels.write_text("img/0.jpg\t" + "ab" * 13 + "\n")
    ran = command(
        capsys, "validate", "--task", "rec", labels, "--model", "rec_mv3_none_bilstm_ctc", "--json", "-"
    )
    assert ran.json["counts"] == {"too_long": 1, "ctc_infeasible": 1}


def test_classes_are_checked_where_they_are_named(capsys: Capsys, tmp_path: Path) -> None:
    """A direction label outside --label-list is a problem."""
    labels = rec_data(tmp_path, ["0", "90"])
    assert command(capsys, "validate", "--task", "cls", labels).code == 0
    ran = command(capsys, "validate", "--task", "cls", labels, "--label-list", "0,180")
    assert ran.code == 3
    assert "unknown_class '90'" in ran.out


def test_every_wrong_path_is_reported_at_once(capsys: Capsys, tmp_path: Path) -> None:
    """A missing file comes with its nearest neighbour, a folder with the label files in it."""
    det_data(tmp_path, 1, name="train.txt")
    ran = command(capsys, "validate", "--task", "det", tmp_path / "tain.txt", tmp_path)
    assert ran.code == 3
    assert "There is no label file" in ran.err
    assert "Did you mean 'train.txt'?" in ran.err
    assert "is a folder, not a label file" in ran.err


def test_the_labels_are_never_overwritten_by_an_answer(capsys: Capsys, tmp_path: Path) -> None:
    """`--json LABELS` is a slip that would cost the labels."""
    labels = det_data(tmp_path, 1)
    before = labels.read_bytes()
    ran = command(capsys, "validate", "--task", "det", labels, "--json", tmp_path / "." / "Label.txt")
    assert ran.code == 2
    assert labels.read_bytes() == before


def test_an_answer_that_cannot_be_written_is_one_sentence(capsys: Capsys, tmp_path: Path) -> None:
    """A folder where the JSON is to go: status 4, the path, no traceback."""
    labels = det_data(tmp_path, 1)
    (tmp_path / "out").mkdir()
    ran = command(capsys, "validate", "--task", "det", labels, "--json", tmp_path / "out")
    assert ran.code == 4
    assert "cannot be used" in ran.err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_label_file_is_said(capsys: Capsys, tmp_path: Path) -> None:
    """Permissions are the user's to mend."""
    labels = det_data(tmp_path, 1)
    labels.chmod(0)
    assert command(capsys, "validate", "--task", "det", labels).code == 3


def test_real_wires_are_clean(capsys: Capsys, shared: Path) -> None:
    """400 photographs labelled in PPOCRLabel."""
    assert command(capsys, "validate", "--task", "det", shared / "data/wires/det/train.txt").code == 0


def test_real_dirt_is_found(capsys: Capsys, shared: Path) -> None:
    """Transcriptions that are lists, and every image missing."""
    labels = shared / "data/dirt/plates_list_transcription/dataset/Label.txt"
    ran = command(capsys, "validate", "--task", "det", labels, "--json", "-")
    assert ran.code == 3
    assert ran.json["counts"]["transcription_not_text"] > 0
    assert ran.json["counts"]["image_missing"] == ran.json["labels"]


def test_a_log_becomes_one_event_a_line(capsys: Capsys, shared: Path) -> None:
    """Each line is JSON with the event's name and the log's line number."""
    ran = command(capsys, "parse-log", shared / "logs" / "resume_2.10.log")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert {"TrainProgress", "CheckpointSaved"} <= {event["event"] for event in events}
    assert all(event["line"] >= 1 for event in events)


def test_only_wanted_events_are_printed(capsys: Capsys, shared: Path) -> None:
    """--only, given twice, keeps two kinds."""
    wanted = ("--only", "TrainProgress", "--only", "CheckpointSaved")
    ran = command(capsys, "parse-log", shared / "logs" / "resume_2.10.log", *wanted)
    assert {json.loads(line)["event"] for line in ran.out.splitlines()} == {
        "TrainProgress",
        "CheckpointSaved",
    }


@pytest.mark.parametrize("name", ["nothing.log", "."])
def test_a_log_that_cannot_be_read_is_said(capsys: Capsys, tmp_path: Path, name: str) -> None:
    """A missing file and a folder: status 3 and the name."""
    ran = command(capsys, "parse-log", tmp_path / name)
    assert ran.code == 3
    assert "cannot be read" in ran.err


def test_a_log_from_stdin_may_hold_anything(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 stop nothing, and a bar's carriage returns are not taken for lines."""
    log = b"\xff\xfe\r 10%|#   |\r 20%|##  |[2026/01/01 00:00:00] ppocr INFO: save model in out/latest\nend\n"
    done = subprocess.run(
        [sys.executable, "-m", "ocr_train", "parse-log", "-"],
        input=log,
        capture_output=True,
        env=environment(),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [event["event"] for event in events if event["event"] != "LogLine"] == ["CheckpointSaved"]
    assert events[-1] == {"event": "LogLine", "text": "end", "line": 2}


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`parse-log big | head -1` ends without a word."""
    (tmp_path / "big.log").write_text("a line\n" * 50_000)
    with subprocess.Popen(
        [sys.executable, "-m", "ocr_train", "parse-log", "big.log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(timeout=60) == 0


def test_demo_data_can_be_trained_on(capsys: Capsys, tmp_path: Path) -> None:
    """It says what to do next, and its labels are clean."""
    ran = command(capsys, "demo-data", tmp_path / "new" / "demo", "--task", "rec", "--count", "10")
    assert ran.code == 0
    assert "drew 8 training and 2 validation images" in ran.out
    assert f"train --model rec --data {tmp_path / 'new' / 'demo'}" in ran.out
    labels = [tmp_path / "new" / "demo" / name for name in ("train.txt", "val.txt")]
    checked = command(capsys, "validate", "--task", "rec", *labels, "--json", "-")
    assert checked.json["labels"] == 10
    assert set(checked.json["counts"]) <= {"outside_dictionary"}


def test_demo_data_leaves_other_data_alone(capsys: Capsys, tmp_path: Path) -> None:
    """A folder with labels of one's own is refused, a file, too."""
    labels = det_data(tmp_path, 1, name="train.txt")
    assert command(capsys, "demo-data", tmp_path, "--count", "2").code == 3
    assert command(capsys, "demo-data", labels, "--count", "2").code in (3, 4)
    assert labels.is_file()


def test_a_demo_set_needs_two_images(capsys: Capsys, tmp_path: Path) -> None:
    """One to train on, one to validate on."""
    ran = command(capsys, "demo-data", tmp_path / "demo", "--count", "1")
    assert ran.code == 2
    assert "at least 2" in ran.err


def test_the_real_command_line_answers_as_documented(tmp_path: Path) -> None:
    """A process of its own: status 3, JSON on stdout, no traceback on stderr."""
    labels = dictionary_data(tmp_path, ["abc", "ไทย"])
    done = ocr_train("validate", "--task", "rec", labels, "--json", "-", cwd=tmp_path)
    assert done.returncode == 3
    assert json.loads(done.stdout)["problems"][0]["value"] == "ไทย"
    assert "Traceback" not in done.stderr


def test_a_terminal_that_cannot_show_a_character_stops_nothing(tmp_path: Path) -> None:
    """Thai and an accent on an ASCII terminal: escaped for people, valid JSON for machines."""
    labels = dictionary_data(tmp_path, ["ไทย", "é"])
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for_people = ocr_train("validate", "--task", "rec", labels, cwd=tmp_path, env=ascii_only)
    assert for_people.returncode == 3, for_people.stderr
    assert "\\u0e44\\u0e17\\u0e22" in for_people.stdout
    for_machines = ocr_train("validate", "--task", "rec", labels, "--json", "-", cwd=tmp_path, env=ascii_only)
    assert [problem["value"] for problem in json.loads(for_machines.stdout)["problems"]] == ["ไทย", "é"]
