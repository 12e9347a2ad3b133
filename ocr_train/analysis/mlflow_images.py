"""Pictures by step as MLflow shows them: two files and a tag, made without a server.

    images/<key, / as ~>+step+<step>+timestamp+<ms>+<uuid>.png
    images/<the same>+compressed.webp        the picture scaled so that its longer side is 256 px
    tag mlflow.loggedImages = True

Source of the names: `MlflowClient.log_image` of MLflow 3.17 (`mlflow/tracking/client.py`); a test compares them
with what that writes. Its uuid is random; ours follows from key and step, so that what is sent twice after an
outage is there once.
"""

from __future__ import annotations

import re
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FOLDER = "images"
TAG = {"mlflow.loggedImages": "True"}
THUMBNAIL_PX = 256
_NAME_LIMIT = 60


def image_key(index: int, name: str) -> str:
    """The key under which an image is followed over the steps: `val_sample/000_<file name>`, in the characters that
    MLflow allows; the number tells apart what is the same without the others."""
    stem = PurePosixPath(name).stem
    return f"val_sample/{index:03d}_{re.sub(r'[^a-zA-Z0-9_.-]', '_', stem)[:_NAME_LIMIT]}"


def artifact_names(key: str, step: int, time_ms: int) -> tuple[str, str]:
    """The file names of the picture and of its thumbnail in the artifact folder `images`."""
    unique = uuid.uuid5(uuid.NAMESPACE_OID, f"{key}+{step}")
    name = f"{key.replace('/', '~')}+step+{step}+timestamp+{time_ms}+{unique}"
    return f"{name}.png", f"{name}+compressed.webp"


def thumbnail(picture: Image.Image) -> Image.Image:
    """The picture scaled so that its longer side has 256 px; never thinner than one, as MLflow's own would be."""
    width, height = picture.size
    if width > height:
        return picture.resize((THUMBNAIL_PX, max(1, int(height * (THUMBNAIL_PX / width)))))
    return picture.resize((max(1, int(width * (THUMBNAIL_PX / height))), THUMBNAIL_PX))
