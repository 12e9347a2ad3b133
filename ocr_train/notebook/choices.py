"""What a user chooses in the first cell of the notebook; variables of the environment count over it.

Only the standard library is used: this runs in any kernel.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ocr_train.notebook.cells import CellStopped

PREFIX = "OCR_TRAIN_NOTEBOOK_"
ENDPOINT = "AWS_ENDPOINT_URL_S3"
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Choices:
    """The first cell. Empty texts mean what the experiment, or AWS itself, says.

    `model`: a name such as det, or the path of an experiment. `data`: a folder, an archive or s3://bucket/prefix; empty:
    the demo set. `labelme`: a folder of LabelMe's; empty: a small one is drawn. `bucket`: s3://bucket/prefix for the
    backup. `endpoint`: of an S3 store that is not AWS. `parameters`: more parameters of a training, by name.
    `folder`: where files of runs go.
    """

    model: str = "det"
    data: str = ""
    labelme: str = ""
    epochs: str = ""
    bucket: str = ""
    endpoint: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path)

    @property
    def output(self) -> Path:
        """The folder for files of runs, as `train` chooses it."""
        return self.folder / (
            self.parameters.get("output") or os.environ.get("OCR_TRAIN_OUTPUT") or "outputs"
        )

    @property
    def work(self) -> Path:
        """Where the notebook's own files go."""
        return self.output / "notebook"


def choose(
    *,
    MODEL: str = "det",  # noqa: N803 - in the notebook they are written as settings are
    DATA: str = "",  # noqa: N803
    LABELME: str = "",  # noqa: N803
    EPOCHS: int | str = "",  # noqa: N803
    BUCKET: str = "",  # noqa: N803
    ENDPOINT: str = "",  # noqa: N803
    PARAMETERS: Mapping[str, Any] | None = None,  # noqa: N803
    FOLDER: str = "",  # noqa: N803
) -> Choices:
    """The choices of the first cell. Each may come from the environment instead: OCR_TRAIN_NOTEBOOK_MODEL, _DATA, ...;
    OCR_TRAIN_NOTEBOOK_PARAMETERS is "name=value name=value".

    Raises `CellStopped` for a variable that is none of them, and for a bucket that is no S3 address.
    """
    given: dict[str, Any] = {
        "model": MODEL,
        "data": DATA,
        "labelme": LABELME,
        "epochs": EPOCHS,
        "bucket": BUCKET,
        "endpoint": ENDPOINT,
        "parameters": PARAMETERS or {},
        "folder": FOLDER,
    }
    known = {f"{PREFIX}{name.upper()}": name for name in given}
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX):
            if variable not in known:
                raise CellStopped(
                    f"there is no setting {variable}.", hint=f"There are: {', '.join(sorted(known))}."
                )
            given[known[variable]] = os.environ[variable]
    if isinstance(given["parameters"], str):
        given["parameters"] = _pairs(given["parameters"])
    given["parameters"] = {str(name): str(value) for name, value in given["parameters"].items()}
    for name in ("model", "data", "labelme", "epochs", "bucket", "endpoint"):
        given[name] = str(given[name] or "").strip()
    for name in ("data", "labelme", "model"):
        given[name] = _whole(given[name], a_name=name == "model")
    if given["bucket"] and not given["bucket"].startswith("s3://"):
        raise CellStopped(f"BUCKET is {given['bucket']!r}.", hint='Write it as "s3://bucket/prefix".')
    given["folder"] = Path(given["folder"]).expanduser().absolute() if given["folder"] else project_folder()
    return Choices(**{one.name: given[one.name] for one in fields(Choices)})


def _whole(path: str, *, a_name: bool) -> str:
    """A path from the notebook's folder on as a whole one: commands run in another folder. Names and addresses stay."""
    if not path or "://" in path or (a_name and "/" not in path and not path.endswith((".yml", ".yaml"))):
        return path
    return str(Path(path).expanduser().absolute())


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise CellStopped(
                f"{PREFIX}PARAMETERS: {word!r} is not name=value.", hint='As in "epochs=2 seed=1".'
            )
        pairs[name] = value
    return pairs


def project_folder() -> Path:
    """The project's folder where we run from a checkout of it, else the folder that the notebook is in."""
    return PACKAGE.parent if (PACKAGE.parent / "MLproject").is_file() else Path.cwd()
