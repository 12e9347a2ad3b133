"""Turns Paddle's inference format into weights that can be trained. Started by path, in the trainer's interpreter.

    PYTHON convert_script.py JOB.json

JOB: {"root", "config", "folder", "names": {variable: layer}, "target", "images": [paths]}: PaddleOCR, the rendered
configuration (with the dictionary that the inference model was trained with), the folder with inference.pdmodel and
.pdiparams, what its model called its layers, the .pdparams file to write, and images to calibrate and to compare on.

The .pdiparams file is a row of tensors in the order of the sorted names of the program's persistable variables; each
is: uint32 version, uint64 levels (each uint64 length and bytes), uint32 version, int32 length, a TensorDesc, the bytes
(paddle/phi/core/framework/dense_tensor_serialize.cc).

An exported block has one convolution where the model has several branches, each with a batch normalisation. It becomes
the first branch, and the others count for nothing: their normalisation has weight 0. In training mode a normalisation
uses the statistics of the batch, so those of these branches are measured on the images, and scale and shift are set so
that nothing changes.
Output: `ANSWER {...}`, or `FAILED {"why"}`.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any


class ConversionError(Exception):
    """The folder is no model that can be converted; the text says why."""


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Convert, calibrate, compare, write; the answer counts layers and says how far the two models are apart."""
    from compatibility_script import build  # type: ignore[import-not-found]
    from layer_names import spellings  # type: ignore[import-not-found]

    config, model = build(job["root"], job["config"])
    import paddle

    tensors = read_inference(Path(job["folder"]), job["names"])
    model.eval()
    state = model.state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    placed, merged, unused = place(tensors, shapes, spellings)
    values = {name: paddle.to_tensor(value) for name, value in placed.items()}
    values.update({name: paddle.to_tensor(value) for name, value in one_branch(model, merged).items()})
    model.set_state_dict(values)
    images = read_images(config, job["images"])
    if not images:
        raise ConversionError("none of the images could be read")
    before = [outputs(model, image) for image in images]
    theirs = run_inference(Path(job["folder"]), images)
    calibrate(model, merged, images)
    ours = [outputs(model, image) for image in images]
    answer = {
        "layers": len(state),
        "taken": len(values),
        "left_out": sorted(name for name in set(state) - set(values) if not within(name, merged)),
        "unused": unused,
        "images": len(images),
        "eval_difference": difference(before, theirs),
        "calibrated_difference": difference(ours, theirs),
        "training_agreement": training_agreement(model, images, ours),
    }
    part = Path(job["target"] + ".part")
    paddle.save(model.state_dict(), str(part))
    part.replace(job["target"])
    return answer


def read_inference(folder: Path, names: dict[str, str]) -> dict[str, Any]:
    """The tensors of an inference model; `names` are what its own model called its layers, by variable."""
    import numpy as np

    try:
        from paddle.base.proto import framework_pb2
    except ImportError:
        # Before Paddle 2.6.
        from paddle.fluid.proto import framework_pb2

    program = framework_pb2.ProgramDesc()
    program.ParseFromString((folder / "inference.pdmodel").read_bytes())
    variables = sorted(
        each.name
        for each in program.blocks[0].vars
        if each.persistable and each.name not in ("feed", "fetch")
    )
    found = {}
    with (folder / "inference.pdiparams").open("rb") as stream:
        for name in variables:
            take(stream, "<I")
            for _ in range(take(stream, "<Q")):
                stream.seek(take(stream, "<Q"), 1)
            take(stream, "<I")
            about = framework_pb2.VarType.TensorDesc()
            about.ParseFromString(stream.read(take(stream, "<i")))
            if about.data_type != framework_pb2.VarType.FP32:
                raise ConversionError(f"the tensor {names.get(name, name)} is not of 32-bit floats")
            count = int(np.prod(about.dims, dtype="int64"))
            data = stream.read(4 * count)
            if len(data) != 4 * count:
                raise ConversionError(f"inference.pdiparams ends within the tensor {names.get(name, name)}")
            found[names.get(name, name)] = np.frombuffer(data, "float32").reshape(list(about.dims))
        if stream.read(1):
            raise ConversionError("inference.pdiparams holds more than inference.pdmodel names")
    return found


def take(stream: Any, kind: str) -> int:
    """One number of that kind."""
    data = stream.read(struct.calcsize(kind))
    if len(data) != struct.calcsize(kind):
        raise ConversionError("inference.pdiparams is cut off")
    return int(struct.unpack(kind, data)[0])


def place(
    tensors: dict[str, Any], shapes: dict[str, tuple[int, ...]], spellings: Any
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The tensors by the model's names; those of merged blocks, by the block's name; what the model has no place for."""
    placed: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    unused = []
    for name, value in tensors.items():
        block, mark, kind = name.partition(".reparam_conv.")
        spot = next((each for each in spellings(name) if shapes.get(each) == value.shape), None)
        if spot:
            placed[spot] = value
        elif mark and f"{block}.conv_kxk.0.conv.weight" in shapes:
            merged.setdefault(block, {})[kind] = value
        else:
            unused.append(name)
    return placed, merged, sorted(unused)


def within(name: str, merged: dict[str, Any]) -> bool:
    """Whether the layer belongs to a merged block: what is not set there counts for nothing."""
    return any(name.startswith(block + ".") for block in merged)


def blocks_of(model: Any, merged: dict[str, Any]) -> dict[str, Any]:
    """The layers that hold the branches of the merged blocks."""
    return {name: layer for name, layer in model.named_sublayers() if name in merged}


def norms_of(block: Any) -> list[tuple[str, Any]]:
    """The batch normalisations of a block's branches, the one that holds the convolution first."""
    found = [(f"conv_kxk.{number}.bn", each.bn) for number, each in enumerate(block.conv_kxk)]
    if block.conv_1x1 is not None:
        found.append(("conv_1x1.bn", block.conv_1x1.bn))
    if block.identity is not None:
        found.append(("identity", block.identity))
    return found


def one_branch(model: Any, merged: dict[str, Any]) -> dict[str, Any]:
    """The values of every layer of the merged blocks: the first branch does what the block did, the others nothing."""
    import numpy as np

    values = {}
    for name, block in blocks_of(model, merged).items():
        convolution = merged[name]
        values[f"{name}.conv_kxk.0.conv.weight"] = convolution["weight"]
        for number, (place_, norm) in enumerate(norms_of(block)):
            size = norm.weight.shape[0]
            first = number == 0
            scale = np.full(size, np.sqrt(1 + norm._epsilon) if first else 0, "float32")
            values[f"{name}.{place_}.weight"] = scale
            values[f"{name}.{place_}.bias"] = convolution["bias"] if first else np.zeros(size, "float32")
            values[f"{name}.{place_}._mean"] = np.zeros(size, "float32")
            values[f"{name}.{place_}._variance"] = np.ones(size, "float32")
    return values


def calibrate(model: Any, merged: dict[str, Any], images: list[Any]) -> None:
    """Give each normalisation of the merged blocks the statistics of what enters it, and change nothing by that."""
    import numpy as np

    sums: dict[str, list[Any]] = {}
    hooks = []
    norms = {}
    for name, block in blocks_of(model, merged).items():
        for number, (place_, norm) in enumerate(norms_of(block)):
            key = name + "." + place_
            norms[key] = (norm, number == 0)

            def count(_: Any, inputs: Any, key: str = key) -> None:
                value = inputs[0].numpy().astype("float64")
                old = sums.get(key, [0, 0.0, 0.0])
                sums[key] = [
                    old[0] + value.size // value.shape[1],
                    old[1] + value.sum((0, 2, 3)),
                    old[2] + (value**2).sum((0, 2, 3)),
                ]

            hooks.append(norm.register_forward_pre_hook(count))
    for image in images:
        outputs(model, image)
    for hook in hooks:
        hook.remove()
    for key, (norm, first) in norms.items():
        count_, total, squares = sums[key]
        mean = total / count_
        variance = np.maximum(squares / count_ - mean**2, 0)
        norm._mean.set_value(mean.astype("float32"))
        norm._variance.set_value(variance.astype("float32"))
        if first:
            bias = norm.bias.numpy().astype("float64")
            norm.weight.set_value(np.sqrt(variance + norm._epsilon).astype("float32"))
            norm.bias.set_value((bias + mean).astype("float32"))


def read_images(config: dict[str, Any], paths: list[str]) -> list[Any]:
    """Images as an evaluation feeds them to the model: its transforms, without those of labels; one batch each."""
    import numpy as np
    from ppocr.data.imaug import create_operators, transform  # type: ignore[import-not-found]

    wanted = [
        each
        for each in config["Eval"]["dataset"]["transforms"]
        if not next(iter(each)).endswith(("LabelEncode", "KeepKeys"))
    ]
    operators = create_operators(wanted, config["Global"])
    found = []
    for path in paths:
        data = transform({"image": Path(path).read_bytes()}, operators)
        if data is not None:
            found.append(np.asarray(data["image"], "float32")[None])
    return found


def outputs(model: Any, image: Any) -> Any:
    """What the model gives for one image, as far as inference has it, as an array."""
    import paddle

    with paddle.no_grad():
        return first_of(model(paddle.to_tensor(image))).numpy()


def first_of(found: Any) -> Any:
    """The one output that counts: the maps of a detector, the classes of a recogniser or a classifier."""
    if isinstance(found, dict):
        keys = [key for key in ("maps", "ctc") if key in found]
        return first_of(found[keys[0]] if keys else next(iter(found.values())))
    if isinstance(found, (list, tuple)):
        return first_of(found[0])
    return found


def run_inference(folder: Path, images: list[Any]) -> list[Any]:
    """What the inference model gives for each."""
    from paddle import inference

    settings = inference.Config(str(folder / "inference.pdmodel"), str(folder / "inference.pdiparams"))
    settings.disable_gpu()
    settings.disable_glog_info()
    settings.switch_ir_optim(False)
    predictor = inference.create_predictor(settings)
    entry = predictor.get_input_handle(predictor.get_input_names()[0])
    found = []
    for image in images:
        entry.copy_from_cpu(image)
        predictor.run()
        found.append(predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu())
    return found


def difference(ours: list[Any], theirs: list[Any]) -> float:
    """The largest difference of two numbers at one place; raises where the shapes are not the same."""
    import numpy as np

    largest = 0.0
    for number, one in enumerate(ours):
        other = theirs[number]
        if one.shape != other.shape:
            raise ConversionError(f"the model gives {one.shape} and the inference model {other.shape}")
        largest = max(largest, float(np.abs(one - other).max()))
    return largest


def training_agreement(model: Any, images: list[Any], evaluated: list[Any]) -> float:
    """The share of places where training mode decides as evaluation does: the class of a step, text or none."""
    import paddle

    kept = {name: value.numpy() for name, value in model.state_dict().items()}
    same, all_ = 0, 0
    model.train()
    for number, image in enumerate(images):
        other = evaluated[number]
        with paddle.no_grad():
            found = first_of(model(paddle.to_tensor(image))).numpy()
        decided = (found[:, :1] > 0.3) == (other > 0.3) if other.ndim == 4 else classes(found, other)
        same, all_ = same + int(decided.sum()), all_ + decided.size
    model.eval()
    model.set_state_dict({name: paddle.to_tensor(value) for name, value in kept.items()})
    return same / max(all_, 1)


def classes(found: Any, other: Any) -> Any:
    """Where two arrays of class scores have the same best one."""
    return found.argmax(-1) == other.argmax(-1)


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as job_file:
        wanted_job = json.load(job_file)
    try:
        said = "ANSWER " + json.dumps(main(wanted_job))
    except ConversionError as exc:
        said = "FAILED " + json.dumps({"why": str(exc)})
    sys.stdout.write("\n" + said + "\n")
