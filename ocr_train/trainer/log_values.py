"""The numbers in a message of the trainer: "loss: 0.5, 'lr': 1e-04, ips: 6.5 samples/s, eta: 0:00:01".

A value that may have lost its end (a terminal broke the line, a bar interrupts it) is left out: a missing
point in a curve is honest, a wrong one is not. Sources: `tools/program.py`, `ppocr/utils/stats.py`,
`ppocr/metrics/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocr_train.trainer.log_shapes import eta_seconds

_SEPARATOR = re.compile(r"[\[({]|[\])}]|,(?:\s+|$)")
# What MLflow takes as part of a name.
_KEY = re.compile(r"[^\W\d][\w .-]{0,99}")
_NUMBER = re.compile(
    r"([+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:e[+-]?\d{1,4})?|[+-]?(?:nan|inf)x{0,3})"
    r"\s?(s|samples/s|MB)?",
    re.IGNORECASE | re.ASCII,
)
_ETA = re.compile(r"\beta: ((?:-?\d{1,6} days?, )?\d{1,4}:\d\d:\d\d)", re.ASCII)

TRAIN_NAMES = {
    "avg_reader_cost": "reader_cost_s",
    "reader_cost": "reader_cost_s",
    "avg_batch_cost": "batch_cost_s",
    "batch_cost": "batch_cost_s",
    "time": "batch_cost_s",
    "avg_samples": "samples",
    "max_mem_reserved": "gpu_mem_reserved_mb",
    "max_mem_allocated": "gpu_mem_allocated_mb",
}
"""The metrics that have other names in MLflow than in the log."""
_NOT_METRICS = ("is_float16", "best_epoch", "start_epoch", "best_batch_id", "epoch", "global_step")
_OTHER_MAIN_METRICS = ("hmean", "exp_rate", "f_score_e2e", "all")
"""`main_indicator` of the metrics in `ppocr/metrics/` other than "acc"."""

Pair = tuple[str, str]


def pairs(text: str) -> Iterator[Pair]:
    """The "key: value" parts of a comma separated text; commas within brackets do not separate."""
    depth = start = 0
    for found in _SEPARATOR.finditer(text):
        if found[0] in "[({":
            depth += 1
        elif found[0] in "])}":
            depth = max(0, depth - 1)
        elif depth == 0:
            yield _pair(text[start : found.start()])
            start = found.end()
    if text[start:].strip():
        yield _pair(text[start:])


def _pair(part: str) -> Pair:
    key, _, value = part.partition(":")
    return key.strip(" '\""), value.strip(" \t'\"")


def number_in(value: str) -> float | None:
    """The number in a value, with or without its unit; None for booleans, lists and other text.

    Python's "{:x<6f}" pads short values with x: NaN is logged as "nanxxx", infinity as "infxxx", "-infxx".
    """
    found = _NUMBER.fullmatch(value)
    return float(found[1].rstrip("xX")) if found else None


def numbers_in(text: str, *, prefix: str, cut: bool = False) -> dict[str, float]:
    """All numbers of a "k: v, k: v" text under MLflow's names; without the last where the text is `cut`."""
    found = list(pairs(text))
    return _named(found[:-1] if cut else found, prefix=prefix)


def _named(found: list[Pair], *, prefix: str) -> dict[str, float]:
    # Formula models: "exp_rate<=1".
    renamed = [(key.replace("<=", "_le_"), raw) for key, raw in found]
    return {
        f"{prefix}/{key}": value
        for key, raw in renamed
        if key not in _NOT_METRICS and _KEY.fullmatch(key) and (value := number_in(raw)) is not None
    }


def best_numbers(text: str, *, cut: bool = False) -> tuple[dict[str, float], int | None]:
    """The metrics and the `best_epoch` of what a "best metric, ..." line says.

    A resume adds `acc: 0.0` to the best of every model; where the model has no accuracy it is dropped.
    """
    found = list(pairs(text))
    if cut:
        del found[-1:]
    metrics = _named(found, prefix="best")
    if metrics.get("best/acc") == 0 and any(f"best/{name}" in metrics for name in _OTHER_MAIN_METRICS):
        del metrics["best/acc"]
    return metrics, parse_whole_number(dict(found).get("best_epoch", ""))


def is_reset(text: str) -> bool:
    """Whether a "best metric, ..." line has the accuracy 0 that a resume at `start_epoch` puts in place of the best."""
    found = dict(pairs(text))
    best, start = (parse_whole_number(found.get(name, "")) for name in ("best_epoch", "start_epoch"))
    earlier = best is not None and start is not None and best < start
    zero = number_in(found.get("acc", "")) == 0
    return earlier and zero and not any(name in found for name in _OTHER_MAIN_METRICS)


def parse_whole_number(value: str) -> int | None:
    """The value as an integer, None where it is none."""
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else None


def train_numbers(text: str, *, cut: bool = False) -> dict[str, float]:
    """The metrics of a progress line from its first statistic on, `train/eta_s` and costs in seconds."""
    eta = _ETA.search(text)
    found = list(pairs(text[: eta.start()] + text[eta.end() :] if eta else text))
    if found and not _is_whole(found, text, eta, cut=cut):
        del found[-1]
    known = [(TRAIN_NAMES.get(key, key), raw) for key, raw in found if key != "eta"]
    metrics = _named(known, prefix="train")
    if "train/total_loss" in metrics:
        metrics.setdefault("train/loss", metrics["train/total_loss"])
    if eta:
        metrics["train/eta_s"] = eta_seconds(eta[1])
    return metrics


def _is_whole(found: list[Pair], text: str, eta: re.Match[str] | None, *, cut: bool) -> bool:
    """Whether the last pair of a progress line is printed to its end.

    Every format ends in known ways: "time: 0.654" in 1.x, "ips: 7.74779" (five decimals) or "ips: 7.74779
    samples/s" later, then "eta: H:MM:SS", then "n MB". Anything else in last place may go on in the next
    line, unless a comma or the eta follows it.
    """
    key, raw = found[-1]
    if text.rstrip().endswith(",") or (eta and eta.end() == len(text.rstrip())):
        return True
    if key == "time":
        return re.search(r"\.\d{3}$", raw, re.ASCII) is not None
    if key == "ips":
        return raw.endswith("samples/s") or re.search(r"\.\d{5}$", raw, re.ASCII) is not None
    if key.startswith("max_mem_"):
        return raw.endswith("MB")
    return not cut and any(name in ("ips", "time") for name, _ in found)


def evaluation_1x_numbers(text: str) -> tuple[dict[str, float], dict[str, float], int | None]:
    """Of a 1.x evaluation line: its metrics, the best so far, and the epoch of the best.

    "metrics:{'precision': 0.72, ...}, best_hmean:0.67, best_epoch:39, best_batch_id:112000" for detection,
    "acc:0.5, best_acc:0.6, best_epoch:3, best_batch_id:2000, eval_sample_num:2077" for recognition.
    """
    found = dict(pairs(text))
    best_epoch = parse_whole_number(found.get("best_epoch", ""))
    best = [(key[len("best_") :], raw) for key, raw in found.items() if key.startswith("best_")]
    best = [(key, raw) for key, raw in best if key not in ("epoch", "batch_id")]
    current = list(pairs(found.pop("metrics", "").strip("{}")))
    current += [
        (key, raw) for key, raw in found.items() if not key.startswith("best_") and "sample_num" not in key
    ]
    return _named(current, prefix="eval"), _named(best, prefix="best"), best_epoch
