"""The network behind an engine: a checkpoint, Paddle's inference format, or ONNX.

Each is a callable `(images, extras) -> preds`: `images` is float32 (n, channels, height, width), `extras` the
further inputs of a few algorithms, `preds` what PaddleOCR's post-processing takes.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .errors import EngineError, reason

OUTPUTS = {
    "DBPostProcess": ("maps",),
    "PSEPostProcess": ("maps",),
    "EASTPostProcess": ("f_geo", "f_score"),
    "SASTPostProcess": ("f_border", "f_score", "f_tco", "f_tvo"),
    "CTPostProcess": ("maps", "score"),
}
"""The names of an exported detector's outputs, in order, as PaddleOCR's tools/infer/predict_det.py has them."""
PART_PIXELS = 62_000
"""So many pixels go through the network at once on a CPU, one picture at least: of four lines of 48x320 what the layers
make fits into the CPU's cache, and 32 together took twice as long a picture (docs/performance.md)."""


def open_checkpoint_network(settings: Any, post_process: Any, prefix: Path, gpu: bool) -> Any:
    """The network of the configuration with the weights of `prefix`.pdparams; raises `EngineError`.

    PaddleOCR itself passes over layers that do not fit; here they are an error.
    """
    import paddle
    from ppocr.modeling.architectures import build_model  # type: ignore[import-not-found]

    paddle.set_device("gpu:0" if gpu else "cpu")
    architecture = settings.architecture
    set_channels(architecture, settings.post_process, post_process)
    model = build_model(architecture)
    _load_weights(model, prefix)
    model.eval()

    def run(images: Any, extras: Any) -> Any:
        with paddle.no_grad():
            tensor = paddle.to_tensor(images)
            if extras:
                return model(tensor, [paddle.to_tensor(extra) for extra in extras])
            return model(tensor)

    return run


def set_channels(architecture: Any, post_process: Any, decoder: Any) -> None:
    """Give the heads as many classes as the dictionary has, as PaddleOCR's tools/eval.py does."""
    if not hasattr(decoder, "character"):
        return
    count = len(decoder.character)
    name = str(post_process.get("name", ""))
    distilled = architecture.get("algorithm") == "Distillation"
    parts = architecture["Models"].values() if distilled else [architecture]
    if any(part["Head"]["name"] == "MultiHead" for part in parts):
        # Only the decoder of that head counts its special characters in.
        count -= {"SARLabelDecode": 2, "NRTRLabelDecode": 3}.get(name.replace("Distillation", "", 1), 0)
    for part in parts:
        if part["Head"]["name"] == "MultiHead":
            part["Head"]["out_channels_list"] = {
                "CTCLabelDecode": count,
                "SARLabelDecode": count + 2,
                "NRTRLabelDecode": count + 3,
            }
        else:
            part["Head"]["out_channels"] = count


def _load_weights(model: Any, prefix: Path) -> None:
    import paddle

    path = f"{prefix}.pdparams"
    try:
        weights = paddle.load(path)
    except Exception as exc:
        raise EngineError(f"{path} cannot be loaded: {reason(exc)}") from exc
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in weights]
    other = [
        name for name in wanted if name in weights and list(weights[name].shape) != list(wanted[name].shape)
    ]
    if missing or other:
        first = (missing or other)[0]
        what = "has no layer" if missing else "has another shape of"
        raise EngineError(
            f"{path} does not fit the configuration and its dictionary: it {what} {first} "
            f"({len(missing) + len(other)} of {len(wanted)} layers)"
        )
    fitting = {}
    for name, value in wanted.items():
        weight = weights[name]
        if not hasattr(weight, "astype"):
            weight = paddle.to_tensor(weight)
        fitting[name] = weight if weight.dtype == value.dtype else weight.astype(value.dtype)
    model.set_state_dict(fitting)


def open_paddle_network(settings: Any, folder: Path, gpu: bool) -> Any:
    """Paddle's inference format in `folder`; raises `EngineError` where it is not there or cannot be loaded."""
    from paddle import inference

    program = next(
        (folder / name for name in ("inference.json", "inference.pdmodel") if (folder / name).is_file()), None
    )
    weights = folder / "inference.pdiparams"
    if program is None or not weights.is_file():
        raise EngineError(f"{folder} has no inference.pdmodel or inference.json with inference.pdiparams")
    try:
        predictor = inference.create_predictor(_inference_config(inference, program, weights, gpu))
    except Exception as exc:
        raise EngineError(f"{program} cannot be loaded by this Paddle: {reason(exc)}") from exc
    names = predictor.get_input_names()

    def run(images: Any, extras: Any) -> Any:
        for number, value in enumerate([images, *extras][: len(names)]):
            predictor.get_input_handle(names[number]).copy_from_cpu(value)
        predictor.run()
        outputs = [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]
        return as_preds(settings, outputs)

    return run


def _inference_config(inference: Any, program: Path, weights: Path, gpu: bool) -> Any:
    config = inference.Config(str(program), str(weights))
    config.disable_glog_info()
    # Without it every layer's output is kept until the end: 32 lines of 48x320 took 5.4 GB and four times as long.
    config.enable_memory_optim()
    if gpu:
        # MB at first; it grows.
        config.enable_use_gpu(500, 0)
    else:
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
        # Newer versions turn it on by default; its results differ slightly.
        if hasattr(config, "disable_mkldnn"):
            config.disable_mkldnn()
    return config


def open_onnx_network(settings: Any, folder: Path, gpu: bool, threads: int = 0) -> Any:
    """`model.onnx` in `folder`, read by so many `threads`; 0: as `threads_from` says now. Raises `EngineError` where it
    is not there or cannot be loaded."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise EngineError(f"{folder} has no model.onnx")
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as exc:
        raise EngineError(f"onnxruntime is not installed in this interpreter: {exc}") from exc
    threads = threads or threads_from(os.environ)
    # Lines are many and small: each part of them has one thread. Pages are large: each has all.
    parts = 1 if gpu or settings.task == "det" else threads
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1 if parts > 1 else threads
    # Else idle threads keep their CPUs busy: beside other work two threads were half as fast as one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [name for name in onnxruntime.get_available_providers() if gpu and name.startswith("CUDA")]
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as exc:
        raise EngineError(f"{path} cannot be loaded by onnxruntime: {reason(exc)}") from exc
    names = [entry.name for entry in session.get_inputs()]

    def run(images: Any, extras: Any) -> Any:
        values = [images, *extras]
        feed = {name: values[number] for number, name in enumerate(names)}
        return session.run(None, feed)

    in_parts = run if gpu else _in_parts(run, parts)
    return lambda images, extras: as_preds(settings, in_parts(images, extras))


def threads_from(environ: Mapping[str, str]) -> int:
    """OMP_NUM_THREADS, else as many as there are CPUs that this process may use.

    Paddle sets the variable to 1 when it is imported: whoever wants more asks before that.
    """
    if environ.get("OMP_NUM_THREADS", "").isdecimal() and int(environ["OMP_NUM_THREADS"]):
        return int(environ["OMP_NUM_THREADS"])
    return cpu_count()


def cpu_count() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_parts(run: Any, threads: int) -> Any:
    """`run` for a few pictures at once, as many of these parts at a time as there are `threads`; the outputs are
    those of all pictures together, whose first axis is the picture."""
    pool = ThreadPoolExecutor(threads, "onnx") if threads > 1 else None

    def run_in_parts(images: Any, extras: Any) -> Any:
        import numpy as np

        # Two parts a thread at least: a thread that is held up by other work then leaves some to the others.
        share = len(images) if threads == 1 else -(-len(images) // (2 * threads))
        count = max(1, min(PART_PIXELS // (images.shape[-2] * images.shape[-1]), share))
        if count >= len(images):
            return run(images, extras)

        def run_part(start: int) -> Any:
            end = start + count
            return run(images[start:end], [extra[start:end] for extra in extras])

        places = range(0, len(images), count)
        found = list(pool.map(run_part, places) if pool else map(run_part, places))
        return [np.concatenate([part[number] for part in found]) for number in range(len(found[0]))]

    return run_in_parts


def as_preds(settings: Any, outputs: Any) -> Any:
    """An exported model's outputs in the shape that its post-processing takes."""
    name = str(settings.post_process.get("name", "")).replace("Distillation", "", 1)
    if name == "FCEPostProcess":
        return {f"level_{number}": output for number, output in enumerate(outputs)}
    if name == "SRNLabelDecode":
        return {"predict": outputs[2]}
    if name in OUTPUTS:
        return {key: outputs[number] for number, key in enumerate(OUTPUTS[name])}
    return outputs[0] if len(outputs) == 1 else outputs
