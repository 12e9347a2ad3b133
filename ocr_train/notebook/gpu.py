"""GPU, memory and disk: the rows of `doctor` that need no data."""

from __future__ import annotations

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.doctor.before_training import machine_rows
from ocr_train.doctor.checkup import own_rows
from ocr_train.doctor.rows import PROBLEM, CheckRow, fine, problem
from ocr_train.errors import SetupError
from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.configuration import launch_with, parameters
from ocr_train.notebook.display import show_table
from ocr_train.trainer.interpreter import interpreter, probe


def check_gpu(choices: Choices) -> None:
    """Show whether training is on a GPU, and whether memory and disk are enough; raises `CellStopped` where not."""
    experiment = load_experiment(launch_with(parameters(choices)), EXPERIMENTS)
    rows = own_rows()
    try:
        facts = probe(interpreter(experiment.trainer_python))
    except SetupError as exc:
        rows.append(problem("PaddlePaddle", exc))
    else:
        rows.append(fine("PaddlePaddle", f"{facts.paddle}, {'a GPU' if facts.cuda else 'a CPU'} build"))
        rows += machine_rows(experiment, facts, choices.output, 0)
    show_rows(rows)


def show_rows(rows: list[CheckRow]) -> None:
    """Show what was checked; raises `CellStopped` where one is a problem."""
    cells = [(row.status, row.subject, "\n".join(filter(None, [row.found, row.todo]))) for row in rows]
    show_table(("", "what", "found"), cells, tones=[row.status for row in rows])
    bad = [row for row in rows if row.status == PROBLEM]
    if bad:
        raise CellStopped(
            f"{len(bad)} problem(s): {', '.join(row.subject for row in bad)}.",
            hint="The table above says what to do. Then run this cell again.",
        )
