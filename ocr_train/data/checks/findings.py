"""What checking found: written down for machines and people, and whether to go on with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.checks.listing import LISTED, counted, problem_lines
from ocr_train.data.checks.quarantine import STOP, apply_policy, write_quarantine
from ocr_train.data.checks.report import write_html
from ocr_train.data.checks.validate import ValidationReport
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.table import format_title
from ocr_train.errors import DataError
from ocr_train.run import Echo


def say_source(source: LabelSource, echo: Echo) -> None:
    """What a conversion made of the data, and what it left out."""
    if not source.converted:
        return
    echo(f"source: {format_title(source.format)}, {source.summary}")
    if source.skipped:
        echo(f"skipped: {counted(source.skipped)}")


def write_findings(folder: Path, shown: ValidationReport, source: LabelSource, images: Path) -> None:
    """problems.json in the shape of `validate --json`, the conversion's problems among them; report.html."""
    content = shown.to_json()
    keys = ("file", "line", "kind", "value", "hint")
    converted = [{key: getattr(problem, key) for key in keys} for problem in source.problems]
    found = content["problems"]
    content["problems"] = converted + (found if isinstance(found, list) else [])
    content["counts"] = all_counts(shown, source)
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_bytes(folder / "problems.json", text.encode("utf-8", "replace"))
    write_html(shown, images, folder / "report.html")


def all_counts(shown: ValidationReport, source: LabelSource) -> dict[str, int]:
    """How many problems there are of each kind, the conversion's among them."""
    return dict(Counter(shown.counts) + Counter(problem.kind for problem in source.problems))


def decide_on_findings(
    report: ValidationReport, shown: ValidationReport, source: LabelSource, on_bad_sample: str, echo: Echo
) -> int:
    """How many samples are left out; `DataError` with all problems where bad ones are to stop everything."""
    losses = len(source.losses)
    if on_bad_sample == STOP and (report.errors or losses):
        lines = [*problem_lines(source.losses), shown.summary(LISTED)]
        raise DataError(
            "bad samples in the data:\n" + "\n".join(lines),
            hint=_way_out(report),
        )
    for line in problem_lines(source.problems):
        echo(f"  {line}")
    echo(f"checked: {shown.summary(LISTED)}")
    return apply_policy(report, on_bad_sample)


def _way_out(report: ValidationReport) -> str:
    # A text of digits alone is JSON, too: a number and not a list of boxes.
    if report.counts.get("bad_json", 0) + report.counts.get("not_a_list", 0) > report.labels * 0.9:
        return "These look like recognition labels (image, tab, text), not detection labels: use a rec model."
    return "Fix them, or continue with the rest: --on-bad-sample quarantine (-P on_bad_sample=quarantine)"


def list_quarantine(files: Sequence[Path], report: ValidationReport, source: LabelSource, out: Path) -> None:
    """The bad lines, each with its place, kind and text; places as the user knows them."""
    write_quarantine(files, out, report.bad_lines)
    if not source.origins:
        return
    rows = []
    for row in out.read_text(encoding="utf-8").splitlines():
        place, _, rest = row.partition("\t")
        file, _, line = place.rpartition(":")
        rows.append(f"{source.origins.get((file, int(line)), place)}\t{rest}\n")
    write_bytes(out, "".join(rows).encode())
