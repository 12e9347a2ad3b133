"""Checks of tables' labels: structure, cells, boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.data.checks.policy import write_clean
from ocr_train.data.checks.report import render_html
from ocr_train.data.checks.tables import TableRules, check_table, unbalanced
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.labels import TableLine, read_labels
from tests.data.formats.folders import HEIGHT, WIDTH
from tests.data.other_tasks import CELLS, ROW, images, table_row

SIZE = [(WIDTH, HEIGHT)]
TOKENS = frozenset({"<tr>", "</tr>", "<td>", "</td>", "<td", ' colspan="2"', ">"})


def kinds(row: str, rules: TableRules | None = None) -> list[str]:
    """The kinds of all that is wrong with a row."""
    return [finding.kind for finding in check_table(row, rules or TableRules(), SIZE)[1]]


def report_on(folder: Path, *rows: str, rules: Rules | None = None) -> ValidationReport:
    """The check of a label file of these lines, with two images."""
    path = images(folder, 2) / "train.txt"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return validate([path], folder, rules or Rules(task="table"))


def test_a_good_table_has_a_box_for_each_cell_with_one() -> None:
    """Its text is without the tags of its style."""
    boxes, findings = check_table(table_row(), TableRules(tokens=TOKENS, most_tokens=8, box_numbers=4), SIZE)
    assert findings == []
    assert [box.transcription for box in boxes] == ["a", ""]
    assert boxes[0].points == ((10, 20), (100, 20), (100, 60), (10, 60))


def test_corners_are_taken_where_the_model_learns_eight_numbers() -> None:
    """As PPOCRLabel exports them; of a model that learns four they are an error."""
    corners = [[10, 20], [100, 20], [100, 60], [10, 60]]
    row = table_row(tokens=["<td>", "</td>"], cells=[{"tokens": ["a"], "bbox": corners}])
    assert kinds(row) == kinds(row, TableRules(box_numbers=8)) == []
    boxes, findings = check_table(row, TableRules(box_numbers=4), SIZE)
    assert (boxes, [finding.kind for finding in findings]) == ([], ["cell_box"])
    assert "8 numbers, and the model learns 4 (loc_reg_num)" in findings[0].hint


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<tr><td></td></tr>", ""),
        ('<thead><tr><td colspan="2"></td></tr></thead>', ""),
        ("<tr><td></td>", "<tr> is not closed"),
        ("<tr></td></tr>", "</td> closes what is not open"),
        ("<tr><td></tr></td>", "</tr> closes what is not open"),
        ("<tr><td</td></tr>", "'<td' is no tag"),
        ("<tr>a</tr>", "'a' is no tag"),
    ],
)
def test_tags_are_closed_in_their_order(html: str, said: str) -> None:
    """Else the model would learn HTML that is no table."""
    assert unbalanced(html).startswith(said)
    assert bool(unbalanced(html)) == bool(said)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([*CELLS, CELLS[0]], ["cell_count"]),
        ([CELLS[0]], ["cell_count"]),
        ([{**CELLS[0], "bbox": [10, 20, 100]}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": [10, 20, 10, 60]}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": [100, 20, 10, 60]}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": [10, 20, float("nan"), 60]}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": [10, 20, 10**400, 60]}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": "10,20"}, CELLS[1]], ["cell_box"]),
        ([{**CELLS[0], "bbox": [10, 20, 500, 60]}, CELLS[1]], ["outside_image"]),
        ([{**CELLS[0], "bbox": [10, 20, 401, 60]}, CELLS[1]], []),
        # Without a text, PaddleOCR does not read the box.
        ([CELLS[0], {"tokens": [], "bbox": "none"}], []),
        ([{"tokens": ["a"]}, CELLS[1]], []),
        ([CELLS[0], {"bbox": [1, 1, 2, 2]}], ["not_a_table"]),
        (["a", CELLS[1]], ["not_a_table"]),
    ],
)
def test_cells_that_paddleocr_would_read_wrongly(cells: list[object], found: list[str]) -> None:
    """Their number, and their boxes."""
    assert kinds(table_row(cells=cells)) == found


def test_tokens_are_looked_up_as_paddleocr_does() -> None:
    """A span begins with a space; `<td></td>` is one token where the model merges them; empty ones are passed over."""
    row = table_row(tokens=["", "<tr>", "<td>", "</td>", "<td", 'colspan="2"', ">", "</td>", "</tr>"])
    assert kinds(row, TableRules(tokens=TOKENS)) == []
    assert kinds(row, TableRules(tokens=TOKENS, merged=True)) == ["table_token"]
    assert kinds(row, TableRules(tokens=TOKENS | {"<td></td>"}, merged=True)) == []
    wide = table_row(tokens=[*ROW[:4], ' colspan="99"', *ROW[5:]])
    found = check_table(wide, TableRules(tokens=TOKENS), SIZE)[1]
    assert [one.kind for one in found] == ["table_token"]
    assert "' colspan=\"99\"'" in found[0].hint
    assert kinds(table_row(), TableRules(most_tokens=7)) == ["too_long"]


@pytest.mark.parametrize(
    "html",
    [
        None,
        [],
        {},
        {"structure": {"tokens": []}, "cells": []},
        {"structure": {"tokens": ["<td>", 1]}, "cells": []},
        {"structure": {"tokens": ["<td>", "</td>"]}},
        {"structure": ["<td>"], "cells": []},
    ],
)
def test_what_is_no_table_is_said(html: object) -> None:
    """Whatever `html` is."""
    assert kinds(json.dumps({"filename": "0.png", "html": html})) == ["not_a_table"]


def test_every_problem_of_a_file_has_its_line(tmp_path: Path) -> None:
    """Lines of other kinds, missing images, duplicates: as in any other label file."""
    report = report_on(
        tmp_path, table_row(), "0.png\tlabel", '{"filename": "0.png"', "", table_row("no.png"), table_row()
    )
    assert report.labels == 5
    assert [(one.line, one.kind) for one in report.problems] == [
        (2, "not_a_table"),
        (3, "not_a_table"),
        (5, "image_missing"),
        (6, "duplicate_image"),
    ]
    assert {one.severity for one in report.problems if one.kind == "not_a_table"} == {"error"}


def test_a_tables_label_is_none_of_another_task(tmp_path: Path) -> None:
    """It says which task it is for."""
    report = report_on(tmp_path, table_row(), rules=Rules(task="rec"))
    assert [one.kind for one in report.problems] == ["no_tab"]
    assert "--task table" in report.problems[0].hint


def test_the_summary_shows_cells_on_the_image(tmp_path: Path) -> None:
    """Good examples and bad ones, with the boxes counted."""
    html = render_html(report_on(tmp_path, table_row(), table_row(cells=[CELLS[0]])), tmp_path)
    assert "3 boxes" in html
    assert html.count("data:image/jpeg") == 2
    assert "cell_count" in html


def test_the_copy_for_the_trainer_has_the_same_rows(tmp_path: Path) -> None:
    """Without those that are bad."""
    good, bad = table_row(split="train"), table_row("1.png", cells=[])
    report = report_on(tmp_path, good, bad)
    assert write_clean(tmp_path / "train.txt", tmp_path / "clean.txt", report.bad_lines, "table") == 1
    assert (tmp_path / "clean.txt").read_text(encoding="utf-8") == f"{good}\n"
    (line,) = read_labels(tmp_path / "clean.txt")
    assert isinstance(line, TableLine)
