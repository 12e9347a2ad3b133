"""docs/troubleshooting.md, English and Thai: an entry for whatever can go wrong, found by the words that a user sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocr_train import errors
from ocr_train.data.checks.problems import KINDS
from ocr_train.data.formats.conversion import NOTES
from ocr_train.trainer.failures import BUDGET, FAILURE_SIGNATURES, PRUNED, REASONS, find_failure
from ocr_train.trainer.outcome import _ASKED, _EXIT_CODES, _REASONS
from tests.pages import REPO, code, table, without_code_blocks

PAGES = ("troubleshooting.md", "th/troubleshooting.md")
PARTS = {
    "troubleshooting.md": ("You see", "Cause:", "Fix:"),
    "th/troubleshooting.md": ("อาการ", "สาเหตุ:", "วิธีแก้:"),
}
OF_OTHERS = (
    *("Could not find Conda executable", "module 'numpy' has no attribute 'bool'"),
    *("Traceback (most recent call last)", "When parsing line", "is gone", "ended with"),
)
"""Messages that are not ours, and not in the trainer's output."""

STOPPED = {"nan_loss", "amp_scale", "stall", "endless_evaluation", "stopped", PRUNED, BUDGET}


def entries(page: str) -> dict[str, str]:
    """Reason -> its entry: what stands below a heading that is the reason alone."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"^### `(\w+)`\n\n((?:- .*\n)+)", text, re.MULTILINE)
    return dict(found)


def our_words() -> str:
    """What our sources print: adjacent string literals joined, as Python joins them."""
    folders = ("ocr_train", "callbacks")
    files = [path for folder in folders for path in sorted((REPO / folder).rglob("*.py"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*files, REPO / "Makefile"])
    return re.sub(r"[\"']\s*\n\s*f?[\"']", "", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_failure_reason_has_an_entry(page: str) -> None:
    """In the order of the list, each with what one sees, the cause and the fix."""
    found = entries(page)
    missing = [reason for reason in REASONS if reason not in found]
    assert missing == [], f"write an entry in docs/{page}, below a heading of its own: ### `{missing[0]}`"
    assert list(found) == list(REASONS)
    for reason, entry in found.items():
        assert re.findall(r"^- \*\*([^*]+)\*\*", entry, re.MULTILINE) == list(PARTS[page]), reason


@pytest.mark.parametrize("page", PAGES)
def test_an_entry_has_the_status_and_the_exit_code(page: str) -> None:
    """As `outcome.py` decides them; what ends the tracking process itself has none."""
    codes = {"tracker_lost": "", "missing_weights": "2"}
    codes |= {name: str(kind.exit_code) for kind, name in _REASONS.items()}
    codes |= dict.fromkeys(STOPPED, str(errors.TrainingStopped.exit_code))
    codes["internal_error"] = str(errors.OcrTrainError.exit_code)
    for number, (_, reason) in _ASKED.items():
        codes[reason] = str(_EXIT_CODES.get(number, errors.TrainingStopped.exit_code))
    killed = {reason for _, reason in _ASKED.values()} | {"tracker_lost", PRUNED, BUDGET}
    for reason, entry in entries(page).items():
        shown = re.search(r"\((FAILED|KILLED)(?:, exit code (\d+))?", entry)
        assert shown is not None, reason
        expected = codes.get(reason, str(errors.TrainingFailed.exit_code))
        assert (shown[1], shown[2] or "") == ("KILLED" if reason in killed else "FAILED", expected), reason


@pytest.mark.parametrize("page", PAGES)
def test_what_the_trainer_prints_is_found_under_its_reason(page: str) -> None:
    """Each quoted line of a reason that the log gives away is recognised as that reason, and each has one."""
    told = {failure.reason for _, failure in FAILURE_SIGNATURES}
    for reason, entry in entries(page).items():
        quoted = code(entry.splitlines()[0])
        read = {found.reason for text in quoted if (found := find_failure(text)) is not None}
        assert read <= {reason}, reason
        assert read or reason not in told, reason


def test_the_same_words_are_quoted_in_both_languages() -> None:
    """What is searched for is found on either page."""
    first, second = ({name: code(text) for name, text in entries(page).items()} for page in PAGES)
    assert first == second


def test_messages_are_quoted_as_they_are_printed() -> None:
    """Every message in bold, in the first line of an entry, or in the table of S3 is in the sources or somebody else's."""
    text = without_code_blocks((REPO / "docs" / "troubleshooting.md").read_text(encoding="utf-8"))
    quoted = [message for bold in re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) for message in code(bold)]
    quoted += [
        message for entry in entries("troubleshooting.md").values() for message in code(entry.splitlines()[0])
    ]
    quoted += [message for row in table("troubleshooting.md", "message") for message in code(row[0])]
    words = our_words()
    missing = [
        message
        for message in quoted
        if find_failure(message) is None
        and " " in message
        and message not in OF_OTHERS
        and not all(part in words for part in re.split(r"\s*\.\.\.\s*|\bN\b", message))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_kind_of_problem_has_an_entry(page: str) -> None:
    """As bad as it is for each task, in the order of the code, with what is wrong and what to do."""
    rows = table(page, "kind")
    assert [(code(row[0])[0], row[1], row[2]) for row in rows] == [
        (name, kind.rec, kind.det) for name, kind in KINDS.items()
    ]
    assert [row[0] for row in rows if len(row) != 5 or not all(row)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_note_of_a_conversion_has_an_entry(page: str) -> None:
    """With what it means and what to do."""
    rows = table(page, "note")
    assert sorted(code(row[0])[0] for row in rows) == sorted(NOTES)
    assert [row[0] for row in rows if len(row) != 3 or not all(row)] == []


def test_the_page_of_reasons_is_where_the_code_says() -> None:
    """The list of reasons names its page."""
    source = Path(REPO / "ocr_train" / "trainer" / "failures.py").read_text(encoding="utf-8")
    assert "docs/troubleshooting.md" in source
