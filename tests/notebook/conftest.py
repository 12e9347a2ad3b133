"""What cells show, kept instead of shown; choices for a folder of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocr_train.notebook import display
from ocr_train.notebook.choices import Choices


class Shown(list[dict[str, Any]]):
    """Everything that was shown, in order."""

    @property
    def text(self) -> str:
        """All of it for whoever sees no HTML."""
        return "\n".join(str(one["text/plain"]) for one in self)

    @property
    def html(self) -> str:
        """All of it as HTML."""
        return "\n".join(str(one.get("text/html", "")) for one in self)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What cells show."""
    kept = Shown()

    def publish(data: Mapping[str, str], *, handle: str = "", update: bool = False) -> None:
        kept.append({**data, "handle": handle, "update": update})

    monkeypatch.setattr(display, "publish", publish)
    return kept


@pytest.fixture
def choices(tmp_path: Path) -> Choices:
    """The demo set of `det`, with all files below the test's folder."""
    return Choices(folder=tmp_path)
