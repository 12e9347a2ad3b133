"""Writes the files of this folder with the Paddle and NumPy that run it: what paddle.save and PaddleOCR write.

    python write.py paddle-3.0.0-numpy1

Weights in each protocol, optimizers with their schedules, master weights of half precision, tensors of every type,
nested and tied, `.states` as PaddleOCR writes them, and the names that an exported model has (Paddle 2.x).
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle

TYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"),
    *("complex64", "complex128", "float8_e4m3fn", "float8_e5m2"),
)


def network() -> Any:
    """A convolution, a normalisation and a linear layer."""
    nn = paddle.nn
    return nn.Sequential(
        ("conv", nn.Conv2D(3, 4, 3)),
        ("bn", nn.BatchNorm2D(4)),
        ("pool", nn.AdaptiveAvgPool2D(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(4, 5)),
    )


def trained(optimizer: Any, net: Any, schedule: Any = None) -> Any:
    """The optimizer after two steps."""
    for _ in range(2):
        net(paddle.randn([2, 3, 8, 8])).mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        if schedule is not None:
            schedule.step()
    return optimizer


def write_training(folder: Path) -> None:
    """What a training leaves."""
    net, lr = network(), paddle.optimizer.lr
    for protocol in (2, 3, 4):
        paddle.save(net.state_dict(), f"{folder}/p{protocol}.pdparams", protocol=protocol)
    cosine = lr.LinearWarmup(lr.CosineAnnealingDecay(0.001, 10), 3, 0.0, 0.001)
    adam = paddle.optimizer.AdamW(cosine, parameters=net.parameters(), multi_precision=True)
    paddle.save(trained(adam, net, cosine).state_dict(), f"{folder}/adamw.pdopt")
    steps = lr.PiecewiseDecay([2, 4], [0.1, 0.01, 0.001])
    momentum = paddle.optimizer.Momentum(steps, parameters=net.parameters())
    paddle.save(trained(momentum, net).state_dict(), f"{folder}/momentum.pdopt")
    best = {
        "acc": np.float64(0.5),
        "norm_edit_dis": 0.7,
        "fps": np.float32(12),
        "best_epoch": 3,
        "is_float16": False,
    }
    best |= {"start_epoch": 1, "n": np.int64(4), "flag": np.bool_(True), "model_average": False}
    with (folder / "latest.states").open("wb") as stream:
        pickle.dump({"best_model_dict": best, "epoch": 4, "global_step": 20}, stream, protocol=2)


def write_half(folder: Path) -> None:
    """Half precision, with the master weights of `Global.use_amp` at O2."""
    net = network()
    net.to(dtype="float16")
    adam = paddle.optimizer.Adam(0.001, parameters=net.parameters(), multi_precision=True)
    for parameter in net.parameters():
        adam._create_master_weight(parameter)
    paddle.save(net.state_dict(), f"{folder}/half.pdparams")
    paddle.save(adam.state_dict(), f"{folder}/half.pdopt")


def write_values(folder: Path) -> None:
    """Everything else that paddle.save takes."""
    types = {}
    for name in TYPES:
        with contextlib.suppress(Exception):  # this Paddle does not know the type, or cannot save it
            tensor = paddle.ones([2, 2]).astype(name)
            np.array(tensor.cpu())
            types[name] = tensor
    tied = paddle.ones([3])
    nested = {
        "types": types,
        "tied": [tied, tied],
        "scalar": paddle.to_tensor(1.0),
        "empty": paddle.zeros([0, 3]),
        "plain": (1, "a", None, True, 2.5, 2**40, -(2**70)),
        "ema": {"train_state": {"w": tied}, "step": 3},
    }
    paddle.save(nested, f"{folder}/nested.pdparams")
    paddle.save(nested, f"{folder}/nested2.pdparams", protocol=2)
    paddle.save(tied, f"{folder}/tensor.pdparams")
    arrays = {"a": np.ones((2, 3), np.float32), "f": np.asfortranarray(np.ones((2, 3)))}
    paddle.save(arrays, f"{folder}/arrays.pdparams")
    paddle.save([1, [2.0, "x"]], f"{folder}/list.pdparams")


def write_exported(folder: Path) -> None:
    """`inference.pdiparams.info`, where this Paddle writes one."""
    spec = [paddle.static.InputSpec([None, 3, 8, 8], "float32")]
    paddle.jit.save(paddle.jit.to_static(network(), input_spec=spec), f"{folder}/inference")
    for path in folder.glob("inference.*"):
        if path.suffix != ".info":
            path.unlink()


def main() -> None:
    """Write all of them."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    paddle.seed(0)
    write_training(folder)
    write_values(folder)
    for write in (write_half, write_exported):
        try:
            write(folder)
        except Exception as exc:  # noqa: BLE001 - what this version cannot do on a CPU
            print(f"{write.__name__}: {exc!r}"[:200])


if __name__ == "__main__":
    main()
