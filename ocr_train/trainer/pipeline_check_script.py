"""Runs a sample of the data through PaddleOCR's own operators. Started by path, in the trainer's interpreter.

    PYTHON pipeline_check_script.py PADDLEOCR_ROOT CONFIG SAMPLES SEED BUDGET_S

That interpreter may be as old as Python 3.7 and has none of our modules: plain syntax, the standard library, and
what PaddleOCR itself brings. Nothing is written, no pickle is loaded, no model is built.

Output: `AT {"part", "place", "line", "operator"}` before each operator, so that one that never ends or ends the
interpreter is known by name; in the end `CHECK {"tried", "failed", "notes", "broken"}`. How a line becomes a
sample: PaddleOCR `ppocr/data/simple_dataset.py`, as of 2.10.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

PARTS = ("Train", "Eval")
LIKE_SIMPLE = (
    *("SimpleDataSet", "TextDetDataset", "TextRecDataset", "KieDataset"),
    *("MultiScaleDataSet", "MSTextRecDataset"),
)
OF_TABLES = ("PubTabDataSet", "PubTabTableRecDataset")
"""These read lines of JSON, as of `ppocr/data/pubtab_dataset.py`."""
MULTI_SCALE = ("MultiScaleDataSet", "MSTextRecDataset")
"""These resize between the last operator but one and the last, in code of their own."""

MOST_TIMES = 8
"""Where every sample fails, so many times more are tried before the whole set is given up."""

EXTRA_TRIES = 50
SHOWN_CHARACTERS = 300
SUMMARY = "Error Message Summary:"


class SampleFailed(Exception):  # noqa: N818 - an outcome, like ours in errors.py
    """`operator` is empty where the sample could not even be read."""

    def __init__(self, operator: str, error: str) -> None:
        super().__init__(error)
        self.operator = operator
        self.error = error


def main(argv: list[str]) -> None:
    """Check both parts and print the answer."""
    root, config_path, samples, seed, budget_s = argv
    # Our own modules lie beside this file: they must not stand in for others of the same name.
    sys.path[0] = root
    answer: dict[str, Any] = {"tried": {}, "failed": [], "notes": [], "broken": ""}
    try:
        check(root, config_path, int(samples), int(seed), float(budget_s), answer)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever it is, it is reported
        answer["broken"] = reason(exc)
    sys.stdout.write("\nCHECK " + json.dumps(answer) + "\n")


def check(
    root: str, config_path: str, samples: int, seed: int, budget_s: float, answer: dict[str, Any]
) -> None:
    """Fill `answer` for every part of the configuration."""
    import yaml

    with Path(config_path).open(encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    parts = [part for part in PARTS if can_check(part, config, answer["notes"])]
    if not parts:
        return
    if not (Path(root) / "ppocr" / "data" / "imaug").is_dir():
        answer["notes"].append("this PaddleOCR has no ppocr/data/imaug: its operators were not tried")
        return
    from ppocr.data.imaug import create_operators  # type: ignore[import-not-found]

    for part in parts:
        random.seed(seed)
        deadline = time.monotonic() + budget_s / len(parts)
        check_part(part, config, create_operators, samples, deadline, answer)


def can_check(part: str, config: dict[str, Any], notes: list[str]) -> bool:
    """Whether the part reads label files the way SimpleDataSet or PubTabDataSet does; if not, a note says so."""
    dataset = (config.get(part) or {}).get("dataset")
    if not dataset:
        return False
    if dataset.get("name") in LIKE_SIMPLE + OF_TABLES and isinstance(dataset.get("transforms"), list):
        return True
    notes.append(f"{part}: a dataset of class {dataset.get('name')} is not tried")
    return False


def check_part(
    part: str, config: dict[str, Any], create: Any, samples: int, deadline: float, answer: dict[str, Any]
) -> None:
    """Try `samples` lines of one part, more of them while none works."""
    dataset = config[part]["dataset"]
    answer["tried"][part] = 0
    operators = []
    for entry in dataset["transforms"]:
        name = next(iter(entry)) if isinstance(entry, dict) and entry else str(entry)
        at(part, "", "", name)
        try:
            operators.append((name, create([entry], config["Global"])[0]))
        except Exception as exc:  # noqa: BLE001 - PaddleOCR's own, of any kind
            answer["failed"].append(failure(part, "", "", name, reason(exc)))
            return
    lines = sample_lines(dataset["label_file_list"], samples * MOST_TIMES)
    worked = False
    for number, (place, raw) in enumerate(lines):
        if (number >= samples and worked) or (number and time.monotonic() > deadline):
            break
        text = raw.decode("utf-8", "replace").strip("\r\n")
        answer["tried"][part] += 1
        try:
            run_sample(part, place, raw, dataset, operators, lines)
            worked = True
        except SampleFailed as exc:
            answer["failed"].append(failure(part, place, text, exc.operator, exc.error))


def sample_lines(files: Any, count: int) -> list[tuple[str, bytes]]:
    """`count` lines as ("file:line", bytes): the first, the last, and random ones between, in constant memory."""
    kept: list[tuple[str, bytes]] = []
    first = last = None
    seen = 0
    for name in [files] if isinstance(files, str) else files:
        with Path(name).open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                line = (f"{name}:{number}", raw)
                first, last = first or line, line
                seen += 1
                if len(kept) < count:
                    kept.append(line)
                else:
                    place = random.randrange(seen)  # noqa: S311 - sampling, no secret
                    if place < count:
                        kept[place] = line
    random.shuffle(kept)
    ends = [line for line in (first, last) if line is not None]
    if len(ends) == 2 and ends[0] == ends[1]:
        ends.pop()
    return (ends + [line for line in kept if line not in ends])[:count]


def run_sample(
    part: str, place: str, raw: bytes, dataset: dict[str, Any], operators: list[Any], lines: list[Any]
) -> None:
    """Take one line through every operator; raises SampleFailed where PaddleOCR would take another sample."""
    data = read_sample(raw, dataset)
    extra = extra_samples(part, place, dataset, operators, lines)
    data["ext_data"] = extra
    data["filename"] = data["img_path"]
    chain = operators[:-1] if dataset["name"] in MULTI_SCALE else operators
    apply(data, chain, lambda name: at(part, place, raw.decode("utf-8", "replace"), name))


def read_sample(raw: bytes, dataset: dict[str, Any]) -> dict[str, Any]:
    """The dictionary that the first operator is given: path, label, and the image file's bytes."""
    if dataset["name"] in OF_TABLES:
        return read_table(raw, dataset)
    try:
        fields = raw.decode("utf-8").strip("\n").split(dataset.get("delimiter", "\t"))
    except UnicodeDecodeError as exc:
        raise SampleFailed("", reason(exc)) from exc
    if len(fields) < 2:
        raise SampleFailed("", f"the line has no {dataset.get('delimiter', chr(9))!r}")
    name = fields[0]
    if name.startswith("["):
        # PaddleOCR then takes the text for a path, too.
        with contextlib.suppress(Exception):
            name = random.choice(json.loads(name))  # noqa: S311 - sampling, no secret
    try:
        path = Path(dataset["data_dir"]) / name
        return {"img_path": str(path), "label": fields[1], "image": path.read_bytes()}
    except (OSError, ValueError, TypeError) as exc:
        raise SampleFailed("", reason(exc)) from exc


def read_table(raw: bytes, dataset: dict[str, Any]) -> dict[str, Any]:
    """The dictionary of a table's sample: path, structure, cells, and the image file's bytes."""
    try:
        row = json.loads(raw.decode("utf-8"))
        path, html = Path(dataset["data_dir"]) / row["filename"], row["html"]
        return {
            "img_path": str(path),
            "cells": list(html["cells"]),
            "structure": list(html["structure"]["tokens"]),
            "file_name": row["filename"],
            "image": path.read_bytes(),
        }
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise SampleFailed("", reason(exc)) from exc


def extra_samples(
    part: str, place: str, dataset: dict[str, Any], operators: list[Any], lines: list[Any]
) -> list[Any]:
    """Other samples for the operators that mix several; PaddleOCR would look for them without an end."""
    wants = [
        (name, operator.ext_data_num) for name, operator in operators if hasattr(operator, "ext_data_num")
    ]
    if not wants:
        return []
    name, count = wants[0]
    loading = operators[: dataset.get("ext_op_transform_idx", 2)]
    found: list[Any] = []
    reason = ""
    for _ in range(EXTRA_TRIES):
        if len(found) >= count:
            return found
        other = random.choice(lines)[1]  # noqa: S311 - sampling, no secret
        try:
            data = apply(read_sample(other, dataset), loading, lambda step: at(part, place, "", step))
        except SampleFailed as exc:
            reason = f" ({exc.operator or 'reading'}: {exc.error or 'dropped'})"
            continue
        if "polys" not in data or data["polys"].shape[1] == 4:
            found.append(data)
    raise SampleFailed(name, f"no other sample could be loaded that it needs besides this one{reason}")


def apply(data: Any, operators: list[Any], before: Any) -> Any:
    """The sample after all operators; raises SampleFailed where one raises or drops it."""
    for name, operator in operators:
        before(name)
        try:
            data = operator(data)
        except Exception as exc:
            raise SampleFailed(name, reason(exc)) from exc
        if data is None:
            raise SampleFailed(name, "")
    return data


def at(part: str, place: str, line: str, operator: str) -> None:
    """Say what comes next."""
    where = {"part": part, "place": place, "line": line[:SHOWN_CHARACTERS], "operator": operator}
    sys.stdout.write("\nAT " + json.dumps(where) + "\n")
    sys.stdout.flush()


def failure(part: str, place: str, line: str, operator: str, error: str) -> dict[str, str]:
    """One entry of `failed`; `error` is empty where the operator returned None."""
    return {
        "part": part,
        "place": place,
        "line": line[:SHOWN_CHARACTERS],
        "operator": operator,
        "error": error,
    }


def reason(exc: BaseException) -> str:
    """The exception's type and the first line of its message; Paddle's own have it below a summary's title."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip().strip("-")]
    if SUMMARY in lines[:-1]:
        lines = lines[lines.index(SUMMARY) + 1 :]
    return ": ".join([type(exc).__name__, *lines[:1]])[:SHOWN_CHARACTERS]


if __name__ == "__main__":
    main(sys.argv[1:])
