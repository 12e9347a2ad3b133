"""What commands that read images with a trained model share: which model, which images, how far it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.options import add_trainer, client, output_folder
from ocr_train.data.files.image_files import IMAGE_SUFFIXES
from ocr_train.errors import ConfigError, DataError
from ocr_train.live_line import LiveLine
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Reading
    from ocr_train.models.source import ModelSource

MODEL_HELP = (
    "a run id (its best checkpoint; ID:latest, 'ID:step N'), models:/NAME@ALIAS, s3://..., the path of a "
    "checkpoint or of an exported model's folder"
)

_FAILED_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ReadingModels:
    """What reads: one model, and, where lines of text are wanted, the recognition model beside the detection."""

    model: ModelSource
    rec: ModelSource | None

    @property
    def task(self) -> str:
        """det, rec, cls, or "lines" where both read together."""
        return "lines" if self.rec else self.model.task

    @property
    def description(self) -> str:
        """One line for people."""
        return self.model.description + (f" and {self.rec.description}" if self.rec else "")

    @property
    def identity(self) -> str:
        """The same for the same weights."""
        sources = [source for source in (self.model, self.rec) if source is not None]
        return " ".join(f"{source.task}:{source.sha256 or source.description}" for source in sources)


def add_unlabelled(parser: argparse.ArgumentParser, metavar: str) -> None:
    """Add which images are read, and with which model."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar=metavar,
        help="folders of images at any depth, image files, archives, or s3://bucket/prefix",
    )
    parser.add_argument("--with", dest="model", required=True, metavar="MODEL", help=MODEL_HELP)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add with which recognition model, on which device, in which interpreter images are read."""
    add = parser.add_argument
    add(
        "--rec",
        default="",
        metavar="MODEL",
        help="read the text in the boxes, too, with this recognition model",
    )
    add("--onnx", action="store_true", help="an exported model through its model.onnx")
    add("--gpu", action="store_true", help="use the first GPU (default: the CPU)")
    add_trainer(parser)


def add_stall_option(parser: argparse.ArgumentParser) -> None:
    """Add when to give up."""
    parser.add_argument(
        "--timeout-s",
        type=float,
        default=600,
        metavar="N",
        help="give up where no image is read for so many seconds (default: 600)",
    )


def find_models(
    arguments: argparse.Namespace, work: Path, name: str, *, tasks: Sequence[str] = ()
) -> ReadingModels:
    """The model called `name`, and the one of `--rec`; printed on stderr. What is fetched goes to `work`.

    Raises `ConfigError` where they do not read together, or read something else than `tasks`.
    """
    from ocr_train.models.source import find_source, find_sources

    found = list(find_sources(name, client, work / "model"))
    if arguments.rec:
        found.append(find_source(arguments.rec, client, work / "rec"))
    if arguments.onnx:
        found = [source.onnx() for source in found]
    for source in found:
        print(f"{source.task}: {source.description}", file=sys.stderr)
    kinds = [source.task for source in found]
    if len(found) > 1 and sorted(kinds) != ["det", "rec"]:
        raise ConfigError(
            f"{' and '.join(kinds)} models do not read pages together.",
            hint="Give a detection model and, with --rec, a recognition model.",
        )
    found.sort(key=lambda source: source.task)
    models = ReadingModels(model=found[0], rec=found[1] if len(found) > 1 else None)
    if tasks and models.task not in tasks:
        raise ConfigError(
            f"{found[0].description} is a {models.task} model: this needs one of {', '.join(tasks)}.",
            hint="Name a detection model, a recognition model, or both (the second with --rec).",
        )
    return models


def paddleocr_root(checkout: str) -> Path:
    """The folder with PaddleOCR's `ppocr`; an empty path means the interpreter's own."""
    if not checkout:
        return Path()
    root = Path(checkout).expanduser().absolute()
    if not (root / "ppocr").is_dir():
        raise ConfigError(
            f"paddleocr {checkout!r} has no ppocr.",
            hint="Give the folder of a PaddleOCR checkout, or nothing.",
        )
    return root


def list_images(given: Sequence[Path]) -> list[Path]:
    """The files given, and those in folders given, each once."""
    found: dict[Path, None] = {}
    for path in given:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(
            one for one in path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES and one.is_file()
        )
        _require_some(inside, path)
        found.update(dict.fromkeys(inside))
    return list(found)


def local_places(given: Sequence[str], echo: Echo) -> list[Path]:
    """Each as a path on this machine: what is in S3 or in an archive is brought into the cache as the data of a training are."""
    from ocr_train.cli.transfer import fetch_for_training
    from ocr_train.data.files.archive_source import is_archive_path
    from ocr_train.data.for_training import locate_data

    def place(text: str) -> Path:
        if text.startswith("s3://") or is_archive_path(Path(text)):
            return locate_data(text, output_folder() / "cache", fetch_for_training, echo)[0]
        return Path(text)

    return [place(text) for text in given]


def images_below(given: Sequence[Path]) -> dict[Path, str]:
    """The files given, and every image at any depth in folders given, each once, with its path below what was given.

    Raises `ConfigError` for a folder without images, and for what is not there.
    """
    from ocr_train.data.files.system_files import walk_files

    found: dict[Path, str] = {}
    for path in given:
        if not path.is_dir():
            if not path.exists():
                raise ConfigError(f"there is no image or folder {str(path)!r}.", hint="Check the path.")
            found.setdefault(path.absolute(), path.name)
            continue
        inside = sorted(one for one in walk_files(path) if one.suffix.lower() in IMAGE_SUFFIXES)
        _require_some(inside, path)
        for one in inside:
            found.setdefault(one.absolute(), one.relative_to(path).as_posix())
    return found


def _require_some(inside: Sequence[Path], folder: Path) -> None:
    if not inside:
        raise ConfigError(
            f"there are no images in the folder {str(folder)!r}.", hint="Name image files, or another folder."
        )


def require_all_read(failed: Sequence[tuple[object, str]], count: int, hint: str) -> None:
    """Raise `DataError` with the images of `count` that could not be read, each with why."""
    if failed:
        listed = "\n".join(f"{image}: {why}" for image, why in failed[:_FAILED_SHOWN])
        raise DataError(f"{len(failed)} of {count} image(s) could not be read:\n{listed}", hint=hint)


def read_with_progress(
    arguments: argparse.Namespace,
    models: ReadingModels,
    images: Sequence[Path],
    *,
    texts: Sequence[str] = (),
    chunk: int = 500,
) -> Iterator[Reading]:
    """The answers in the order of `images`, with a line on stderr that says how far it is; `texts` as `read_many`."""
    from ocr_train.models.reading_many import read_many
    from ocr_train.trainer.interpreter import interpreter

    python = interpreter(arguments.trainer_python)
    root = paddleocr_root(arguments.paddleocr)
    with progress_line("read", len(images)) as progress:
        yield from read_many(
            models.model.model(python, root),
            images,
            rec=models.rec.model(python, root) if models.rec else None,
            use_gpu=arguments.gpu,
            stall_s=arguments.timeout_s,
            progress=progress,
            texts=texts,
            chunk=chunk,
        )


@contextmanager
def progress_line(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows "read 40 of 200 images": over and over on a terminal, elsewhere every half minute."""
    line = LiveLine(sys.stderr, interval_s=30, wait_s=10)
    try:
        yield lambda count: line.show(f"{verb} {count} of {total} images")
    finally:
        line.clear()
