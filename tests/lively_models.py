"""Models that say something without having been trained: for tests of what runs a model, not of what it has learnt.

    PYTHON lively_models.py TASK FOLDER IMAGE...

A network trained for a minute finds no boxes and reads nothing, and "nothing" agrees with "nothing" whatever is
broken. Here the weights are random, with batch statistics from IMAGES and a last layer moved and stretched so that
its outputs differ from place to place and from image to image: many boxes, long texts. FOLDER holds config.yml (and
dict.txt) and gets model.pdparams, and under exported/ the same in Paddle's inference format and as ONNX, where
paddle2onnx is installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from ocr_train.config.experiment import Launch, load_experiment
from ocr_train.ocr_engine import networks
from ocr_train.ocr_engine.images import read_image
from ocr_train.ocr_engine.paddleocr import put_on_path
from ocr_train.ocr_engine.settings import read_settings

CLASSIC = {"det": "det_mv3_db", "rec": "rec_mv3_none_bilstm_ctc"}
SIZES = {"det": {"DetResizeForTest": {"image_shape": [160, 192]}}, "rec": {}}


def write_config(task: str, folder: Path) -> Path:
    """The configuration of our own experiment for `task` that starts from nothing, small, with its dictionary beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    experiment = load_experiment(
        Launch(model=CLASSIC[task], data="unused", gpus="cpu"), Path(__file__).parents[1] / "experiments"
    )
    config: Any = yaml.safe_load(yaml.safe_dump(dict(experiment.trainer)))
    config["Global"].update(use_gpu=False, distributed=False, print_mem_info=False)
    for entry in config["Eval"]["dataset"]["transforms"]:
        entry.update({name: values for name, values in SIZES[task].items() if name in entry})
    config["Eval"]["loader"].update(num_workers=0, batch_size_per_card=1 if task == "det" else 16)
    if experiment.dictionary:
        shutil.copyfile(experiment.dictionary, folder / "dict.txt")
        config["Global"]["character_dict_path"] = str(folder / "dict.txt")
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def make(task: str, folder: Path, images: list[Path]) -> None:
    """Write the weights, and the exported model."""
    import paddle

    put_on_path("")
    paddle.set_device("cpu")
    paddle.seed(20)
    settings = read_settings(folder / "config.yml", "")
    from ppocr.modeling.architectures import build_model  # type: ignore[import-not-found]

    from ocr_train.ocr_engine.model import _post_process
    from ocr_train.ocr_engine.prepare import Preparation

    prepare = Preparation(settings)
    batch = paddle.to_tensor([prepare(read_image(path)).image for path in images])
    networks.set_channels(settings.architecture, settings.post_process, _post_process(settings))
    model = build_model(settings.architecture)
    calibrate(model, batch)
    stretch(model, task, batch)
    paddle.save(model.state_dict(), str(folder / "model.pdparams"))
    export(folder)


def calibrate(model: Any, batch: Any) -> None:
    """Make the statistics of all normalisations those of `batch`."""
    import paddle

    layers = [layer for layer in model.sublayers() if hasattr(layer, "_momentum")]
    for layer in layers:
        layer._momentum = 0.0
    model.train()
    with paddle.no_grad():
        model(batch)
    model.eval()


def stretch(model: Any, task: str, batch: Any) -> None:
    """Move and scale the last layer so that what is above or below a threshold depends on the place."""
    import paddle

    layer = model.head.fc if task == "rec" else model.head.binarize.conv3
    seen: list[Any] = []
    hook = layer.register_forward_post_hook(lambda _layer, inputs, output: seen.append(output))
    with paddle.no_grad():
        model(batch)
        hook.remove()
        outputs = seen[0]
        if task == "rec":
            classes = outputs.reshape([-1, outputs.shape[-1]])
            centre, spread = classes.mean(axis=0), classes.std(axis=0) + 1e-6
            layer.weight.set_value(layer.weight * (3 / spread))
            layer.bias.set_value((layer.bias - centre) * (3 / spread))
            return
        centre, spread = outputs.mean() + 0.3 * outputs.std(), outputs.std()
        layer.weight.set_value(layer.weight * (4 / spread))
        layer.bias.set_value((layer.bias - centre) * (4 / spread))


def export(folder: Path) -> None:
    """PaddleOCR's own export, and ONNX."""
    from ppocr.utils.export_model import export as export_model  # type: ignore[import-not-found]

    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    target = folder / "exported"
    target.mkdir()
    for name in ("config.yml", "dict.txt"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
    config["Global"].update(checkpoints=str(folder / "model"), save_inference_dir=str(target))
    export_model(config)
    if importlib.util.find_spec("paddle2onnx") is not None:
        import paddle2onnx  # type: ignore[import-not-found,import-untyped,unused-ignore]

        program, weights = target / "inference.pdmodel", target / "inference.pdiparams"
        paddle2onnx.export(
            str(program), str(weights), str(target / "model.onnx"), opset_version=14, optimize_tool="None"
        )


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
