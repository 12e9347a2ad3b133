"""How the same layer has been named: by exports of PaddleOCR, and where a head stands alone.

Python 3.7 and nothing of ours: `convert_script.py` imports it in the trainer's interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_RENAMED = (
    # PP-OCRv4's inference models and PaddleOCR 2.10's ppocr/modeling/backbones/rec_lcnetv3.py
    (".activation.scale", ".act.lab.scale"),
    (".activation.bias", ".act.lab.bias"),
)
_ENDS = ((".w", ".lab.scale"), (".b", ".lab.bias"))
_STARTS = (
    # A CTC head among others (MultiHead) has its neck inside; alone, neck and head are two parts of the model.
    ("head.ctc_encoder.", "neck."),
    ("head.ctc_head.", "head."),
)


def spellings(name: str) -> list[str]:
    """The names that the layer `name` has had, its own first."""
    found = [name]
    for old, new in _RENAMED:
        found += [each.replace(old, new) for each in found if old in each]
    for old, new in _ENDS:
        found += [each[: -len(old)] + new for each in found if each.endswith("conv" + old)]
    for old, new in _STARTS:
        found += [new + each[len(old) :] for each in found if each.startswith(old)]
        found += [old + each[len(new) :] for each in found if each.startswith(new)]
    return list(dict.fromkeys(found))


def renamed(given: Iterable[str], wanted: Mapping[str, object]) -> dict[str, str]:
    """For each name of `wanted` the one of `given` that is the same layer, where it is called otherwise."""
    names = set(given)
    found = {}
    for name in given:
        spot = next((each for each in spellings(name) if each in wanted), name)
        if spot != name and spot not in names:
            found[spot] = name
    return found
