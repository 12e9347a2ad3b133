"""What a check of label files found: every problem, what stops a training, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.duplicates import DROP, STOP, Leaks
from ocr_train.data.checks.listing import list_problems
from ocr_train.data.checks.problems import ERROR, KINDS, NOTE, BadLines, LeftOut, Problem
from ocr_train.data.checks.statistics import Statistics
from ocr_train.data.files.contents import SameImages, none_same


def as_notes(choices: LabelChoices) -> frozenset[str]:
    """The errors that are asked for: they are counted, and stop nothing."""
    asked = {"leak": choices.leaks != STOP, "placeholder_text": choices.placeholders != STOP}
    return frozenset(kind for kind, kept in asked.items() if kept)


def left_out_kinds(task: str, choices: LabelChoices) -> frozenset[str]:
    """The notes whose lines are neither trained nor validated on."""
    return frozenset({"placeholder_text"} if task == "rec" and choices.placeholders == DROP else ())


@dataclass(frozen=True, kw_only=True)
class ValidationReport:
    """What was found. `labels` counts the lines that are not blank; `counts` counts every problem by kind, of
    which `problems` holds at most 10,000 a kind, in the order of files and lines; `errors` counts those that
    are no notes; `bad_lines` knows every line that has an error. `leaks` sums up the images that are in training and in
    validation, `dropped` knows the lines that are left out of training for it, `same` which images have equal bytes. `choices` say how
    the labels were read."""

    labels: int
    problems: tuple[Problem, ...]
    counts: Mapping[str, int]
    errors: int
    bad_lines: BadLines
    statistics: Statistics
    task: str
    choices: LabelChoices = field(default_factory=LabelChoices)
    leaks: Leaks | None = None
    dropped: BadLines = field(default_factory=BadLines)
    same: SameImages = field(default_factory=none_same)

    def severity(self, kind: str) -> str:
        """ "error" or "note" for `kind` in this check."""
        return NOTE if kind in as_notes(self.choices) else KINDS[kind].severity(self.task)

    @property
    def left_out(self) -> LeftOut:
        """Every line that is not trained on or validated on."""
        return LeftOut((self.bad_lines, self.dropped))

    def to_json(self) -> dict[str, object]:
        """The shape that machines rely on: labels, problems, counts."""
        return {
            "labels": self.labels,
            "problems": [problem_json(problem) for problem in self.problems],
            "counts": dict(self.counts),
        }

    def summary(self, limit: int = 10) -> str:
        """Readable lines: the verdict, the counts, and at most `limit` about problems, errors first."""
        notes = sum(self.counts.values()) - self.errors
        lines = [
            f"{self.labels} labels, {self.errors} errors in {len(self.bad_lines)} lines, {notes} notes",
            *([self.leaks.sentence()] if self.leaks else []),
            *self._left_out(),
            *self._doubled(),
            *(
                f"  {self.severity(kind):5} {kind}: {count}"
                for kind, count in sorted(self.counts.items(), key=self._rank)
            ),
        ]
        lines += list_problems(self.problems, self.counts, limit)
        return "\n".join(lines)

    def _left_out(self) -> Iterator[str]:
        if "placeholder_text" in left_out_kinds(self.task, self.choices) & self.counts.keys():
            count = self.counts["placeholder_text"]
            yield (
                f"{count} line{'s are' if count > 1 else ' is'} left out: what a tool writes in place of a text stands there "
                "(placeholders: stop makes errors of them, keep trains on them)"
            )

    def _doubled(self) -> Iterator[str]:
        if count := self.counts.get("duplicate_image", 0):
            yield f"{count} sample{'s' * (count > 1)} {'count' if count > 1 else 'counts'} double: same image, same label"

    def _rank(self, item: tuple[str, int]) -> tuple[bool, int]:
        kind, count = item
        return self.severity(kind) != ERROR, -count


def problem_json(problem: Problem) -> dict[str, object]:
    """A problem as machines read it."""
    return {key: getattr(problem, key) for key in ("file", "line", "kind", "value", "hint")}
