"""What of a configuration may reach PaddleOCR: names of its own, plain words, and nothing that is code."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.config.overrides import set_key
from ocr_train.ocr_engine.errors import EngineError
from ocr_train.ocr_engine.paddleocr import find_ppocr
from ocr_train.ocr_engine.screening import problems
from ocr_train.ocr_engine.vocabulary import NETWORKS, OPERATORS, Part, read_vocabulary
from tests.builders import write_ppocr
from tests.commands import REPO, environment
from tests.fuzz import cases

CALL = "__import__('os').system('touch CANARY')"
EXPERIMENTS = sorted((REPO / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def known() -> dict[str, Part]:
    """The names of the installed PaddleOCR."""
    return read_vocabulary(str(find_ppocr("")))


def of_experiment(path: Path) -> dict[str, Any]:
    """The PaddleOCR configuration of one of our experiments."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["paddleocr"]
    return document


def configuration() -> dict[str, Any]:
    """A recogniser's."""
    return of_experiment(REPO / "experiments" / "rec.yaml")


def transform(entry: Any) -> dict[str, Any]:
    """A configuration with one operator before all others."""
    config = configuration()
    config["Eval"]["dataset"]["transforms"].insert(0, entry)
    return config


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_our_own_experiments_pass(path: Path, known: Mapping[str, Part]) -> None:
    """With the names of the PaddleOCR that they are for, and for whoever does not know which that is."""
    assert problems(of_experiment(path), dict(known)) == []
    assert problems(of_experiment(path)) == []


def test_what_paddleocr_evaluates_is_read_off_its_source(known: Mapping[str, Part]) -> None:
    """Parameters that end in an eval, in the modules that have one; classes and other names for them."""
    assert {"gtc_encode", "inter_type", "scale"} <= known[OPERATORS].evaluated
    assert {"act", "act_layer", "block_unit", "mode", "norm_layer", "sub_norm"} <= known[NETWORKS].evaluated
    assert {"DecodeImage", "IaaAugment", "CTCLabelEncode"} <= known[OPERATORS].names
    assert {"os", "cv2", "np", "create_operators"}.isdisjoint(known[OPERATORS].names)


def test_an_eval_of_another_version_is_found(tmp_path: Path) -> None:
    """Its parameter is screened from then on; a function that is only called eval is none."""
    root = write_ppocr(tmp_path / "ppocr")
    (root / "modeling" / "new.py").write_text(
        "class New:\n    def __init__(self, gate, plain):\n        self.gate = eval('nn.' + gate)()\n"
    )
    (root / "modeling" / "own.py").write_text(
        "def eval(model):\n    pass\n\ndef f(model):\n    eval(model)\n"
    )
    found = read_vocabulary(str(root))[NETWORKS]
    assert found.evaluated == {"gate"}
    config = {"Architecture": {"Backbone": {"name": "New", "gate": "os.system", "plain": "os.system"}}}
    assert problems(config, read_vocabulary(str(root))) == [
        "Architecture.Backbone.gate: 'os.system' is evaluated by PaddleOCR and is neither a number nor a name of its"
    ]


def test_a_paddleocr_without_its_source_cannot_vouch_for_anything(tmp_path: Path) -> None:
    """No names, no configuration."""
    with pytest.raises(EngineError, match="cannot be checked"):
        read_vocabulary(str(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        *(CALL, "os", "exec", "open", "input", "__import__", "DecodeImage.__init__", "np.load"),
        *("create_operators", "ｅｘｉｔ", "DecodeImage ", "DecodeImage\n", "", 5, None, True),
    ],
)
def test_an_operator_is_one_that_paddleocr_defines(name: Any, known: Mapping[str, Part]) -> None:
    """An expression, a module, a function of Python's or of its own, another alphabet: all refused by name."""
    found = problems(transform({name: {}}), dict(known))
    assert len(found) == 1
    assert "Eval.dataset.transforms[0]" in found[0]
    assert repr(name)[:40] in found[0]


@pytest.mark.parametrize("entry", [CALL, [CALL], None, 5, {}])
def test_an_operator_is_a_name_with_parameters(entry: Any, known: Mapping[str, Part]) -> None:
    """`list(entry)[0]` is what PaddleOCR evaluates, whatever the entry is; an empty one names nothing."""
    assert bool(problems(transform(entry), dict(known))) == (entry != {})


@pytest.mark.parametrize(
    "key",
    [
        "Architecture.name",
        *(f"Architecture.{part}.name" for part in ("Transform", "Backbone", "Neck", "Head")),
        *(f"Architecture.Models.Student.{part}.name" for part in ("Backbone", "Neck", "Head")),
        *(
            f"Architecture.Backbone.{key}"
            for key in ("norm_layer", "sub_norm", "act", "act_layer", "block_unit", "block_type", "mode")
        ),
        *("Architecture.Head.norm_layer", "Architecture.Models.Teacher.Backbone.act", "Loss.name"),
        *("Metric.name", "Metric.base_metric_name", "PostProcess.name", "Optimizer.name"),
        *("Optimizer.lr.name", "Optimizer.regularizer.name", "Train.dataset.name", "Eval.dataset.name"),
        *("Train.sampler.name", "Train.loader.collate_fn", "Eval.loader.collate_fn"),
        *("Global.gtc_encode", "Global.inter_type", "Global.scale", "Global.augmenter_args"),
    ],
)
@pytest.mark.parametrize("value", [CALL, "os.system", "lambda **k: 1", b"1"])
def test_every_value_that_reaches_an_eval_is_screened(
    key: str, value: Any, known: Mapping[str, Part]
) -> None:
    """A call, a dotted name of something else, a function made on the spot, and bytes, which eval takes, too."""
    config = configuration()
    set_key(config, key, value)
    for vocabulary in (dict(known), None):
        found = problems(config, vocabulary)
        assert found, key
        assert all(key in one for one in found)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"NormalizeImage": {"scale": CALL}}, "NormalizeImage.scale"),
        ({"NormalizeImage": {"scale": "9**9**9"}}, "NormalizeImage.scale"),
        ({"MultiLabelEncode": {"gtc_encode": "os.system"}}, "MultiLabelEncode.gtc_encode"),
        ({"GrayRecResizeImg": {"inter_type": "cv2.imread"}}, "GrayRecResizeImg.inter_type"),
        ({"RecAug": {"anything": f"[{CALL}]"}}, "may be code"),
        (
            {"IaaAugment": {"augmenter_args": [{"type": "Lambda", "args": {}}]}},
            "'Lambda' is not an augmenter",
        ),
        ({"IaaAugment": {"augmenter_args": {"type": "load", "args": {}}}}, "'load' is not an augmenter"),
        (
            {"IaaAugment": {"augmenter_args": [["SaveDebugImageEveryNBatches", "x", 1]]}},
            "is not an augmenter",
        ),
        ({"IaaAugment": {"augmenter_args": [["Affine", "../x"]]}}, "'../x' is not a plain word"),
    ],
)
def test_parameters_of_operators_are_screened(entry: Any, message: str, known: Mapping[str, Part]) -> None:
    """Those that are evaluated, augmenters by name, and text that has what a call needs."""
    assert message in " ".join(problems(transform(entry), dict(known)))


def test_losses_in_a_list_are_losses(known: Mapping[str, Part]) -> None:
    """PaddleOCR evaluates their keys; heads are compared with the few that it has."""
    config = configuration()
    config["Loss"] = {"name": "MultiLoss", "loss_config_list": [{"CTCLoss": None}, {"NRTRLoss": None}]}
    config["Architecture"]["Head"] = {
        "name": "MultiHead",
        "head_list": [{"CTCHead": {"Neck": {"name": "svtr"}}}, {"NRTRHead": {}}],
    }
    assert problems(config, dict(known)) == []
    config["Loss"]["loss_config_list"].append({CALL: None})
    config["Architecture"]["Head"]["head_list"].append({"os.system": {}})
    assert len(problems(config, dict(known))) == 2


def test_what_configurations_really_say_is_let_through(known: Mapping[str, Part]) -> None:
    """Arithmetic, layers of Paddle's, classes of the module, constants of image libraries, words of its own."""
    config = transform({"NormalizeImage": {"scale": "1./255.", "order": "hwc"}})
    config["Eval"]["dataset"]["transforms"] += [
        {"GrayRecResizeImg": {"image_shape": [1, 32, 100], "inter_type": "Image.BICUBIC"}},
        {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
        {"IaaAugment": {"augmenter_args": [{"type": "Fliplr", "args": {"p": 0.5}}, ["Resize", [0.5, 3]]]}},
    ]
    for key, value in {
        "Architecture.Backbone.norm_layer": "nn.LayerNorm",
        "Architecture.Backbone.act": "nn.GELU",
        "Architecture.Backbone.block_unit": "Block",
        "Architecture.Backbone.pretrained": "/models/old (1)/best",
        "Architecture.Neck.act": "hard_swish",
        "Architecture.Backbone.mode": "M3",
        "Optimizer.regularizer.name": "L2",
        "Train.sampler.name": "MultiScaleSampler",
        "Global.label_list": ["'a'", "(b)"],
    }.items():
        set_key(config, key, value)
    assert problems(config, dict(known)) == []


@pytest.mark.parametrize("value", [b"x", {1, 2}, (1, 2)])
def test_only_what_a_configuration_holds_is_let_through(value: Any) -> None:
    """YAML's tags for bytes, sets and pairs make what PaddleOCR never writes."""
    config = configuration()
    config["Global"]["anything"] = [value]
    assert "which no configuration has" in " ".join(problems(config))


def test_a_configuration_without_end_is_refused() -> None:
    """One that holds itself, and one that repeats its parts a million times over."""
    config = configuration()
    config["Global"]["self"] = config
    assert "without end" in problems(config)[0]
    bomb: list[Any] = ["x"]
    for _ in range(9):
        bomb = [bomb] * 10
    config = configuration()
    config["Global"]["bomb"] = bomb
    assert "without end" in problems(config)[0]


PAYLOADS: tuple[Any, ...] = (
    CALL,
    f"lambda **k: {CALL}",
    f"[x for x in [{CALL}]]",
    "os.system",
    "exec",
    "open",
    "__import__",
    "cv2.imwrite",
    "paddle.save",
    "breakpoint",
    b"open('CANARY', 'w')",
    f"DecodeImage or {CALL}",
    f"nn.{CALL}",
    {CALL: {}},
    [CALL],
    f"1./255. + {CALL}",
)
NAMED = ("name", "norm_layer", "act", "act_layer", "mode", "scale", "inter_type", "gtc_encode", "sub_norm")
BUILD = """
import json, sys, yaml
root = sys.argv[1]
sys.path.insert(0, root)
from ppocr.data.imaug import create_operators
from ppocr.losses import build_loss
from ppocr.metrics import build_metric
from ppocr.modeling.architectures import build_model
from ppocr.optimizer import build_lr_scheduler
from ppocr.postprocess import build_post_process

results = {}
def tried(build, *values):
    # Most sections of a mutated configuration are what they were: built once more they show nothing.
    known = json.dumps([build.__name__, values], default=repr)
    if known not in results:
        try:
            build(*values)
            results[known] = 1
        except BaseException:
            results[known] = 0
    return results[known]

def part_of(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value

def build_all(config):
    settings = part_of(config, "Global")
    for part in ("Train", "Eval"):
        transforms = part_of(config, part, "dataset", "transforms")
        yield tried(create_operators, transforms, settings)
        for entry in transforms if isinstance(transforms, list) else []:
            yield tried(create_operators, [entry], settings)
    yield tried(build_post_process, part_of(config, "PostProcess"), settings)
    yield tried(build_metric, part_of(config, "Metric"))
    yield tried(build_loss, part_of(config, "Loss"))
    yield tried(build_lr_scheduler, part_of(config, "Optimizer", "lr"), 2, 2)
    if isinstance(part_of(config, "Architecture", "Head"), dict):
        config["Architecture"]["Head"]["out_channels"] = 10
    yield tried(build_model, part_of(config, "Architecture"))

built = sum(one for config in yaml.safe_load(sys.stdin.buffer) for one in build_all(config))
print("built", built)
"""


def places_of(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a configuration."""
    found: list[tuple[Any, Any]] = []
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            found += places_of(value[key])
    return found


def mutated(config: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The configuration with one to three of its values, keys or lists changed."""
    config = copy.deepcopy(config)
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(places_of(config))
        payload = copy.deepcopy(chance.choice(PAYLOADS))
        how = chance.randrange(5)
        if how == 0:
            container[key] = payload
        elif how == 1 and isinstance(container, dict):
            container[chance.choice(NAMED)] = payload
        elif how == 2 and isinstance(container, dict) and isinstance(payload, str):
            container[payload] = container.pop(key)
        elif how == 3 and isinstance(container, list):
            container.insert(key, {payload: {}} if isinstance(payload, str) else payload)
        elif isinstance(container[key], str):
            container[key] += chance.choice(["", " ", "()", ".x", "\n", "\u0660", "é"])
    return config


def passing(count: int, known: Mapping[str, Part], *, seed: int) -> tuple[list[dict[str, Any]], int]:
    """Of `count` mutated configurations those that pass, and how many were refused."""
    chance = random.Random(seed)
    originals = [of_experiment(path) for path in EXPERIMENTS]
    passed, refused = [], 0
    for _ in range(count):
        config = mutated(chance.choice(originals), chance)
        found = problems(config, dict(known))
        assert all(isinstance(one, str) for one in found)
        if found:
            refused += 1
        else:
            passed.append(config)
    return passed, refused


def evaluated_values(value: Any, key: str = "") -> list[Any]:
    """What a PaddleOCR would evaluate of a configuration, found in another way than the screening does."""
    if isinstance(value, dict):
        names = [*value] if key in ("transforms", "loss_config_list") else []
        return names + [one for inner, of in value.items() for one in evaluated_values(of, str(inner))]
    if isinstance(value, list):
        return [one for inner in value for one in evaluated_values(inner, key)]
    return [value] if key in NAMED else []


def test_mutated_configurations_are_refused_or_harmless(known: Mapping[str, Part]) -> None:
    """Thousands with FUZZ: never an exception, and no passing one has code where PaddleOCR evaluates."""
    passed, refused = passing(cases(300), known, seed=9)
    assert refused > cases(300) / 3
    for config in passed:
        for section in ("Architecture", "Train", "Eval"):
            for value in evaluated_values(config.get(section)):
                assert not (isinstance(value, (str, bytes)) and "CANARY" in str(value)), value


@pytest.mark.slow
def test_passing_configurations_run_nothing_in_the_real_paddleocr(
    tmp_path: Path, known: Mapping[str, Part]
) -> None:
    """Its own builders make operators, networks and losses of them, and the canary never appears."""
    passed, _ = passing(cases(120), known, seed=10)
    assert built(passed, tmp_path) > len(passed)
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.slow
def test_the_canary_is_run_without_the_screening(tmp_path: Path) -> None:
    """What is refused does run in PaddleOCR: else the test above would show nothing."""
    assert built([transform({CALL: {}})], tmp_path) > 0
    assert (tmp_path / "CANARY").exists()


def built(configs: list[dict[str, Any]], folder: Path) -> int:
    """How many parts PaddleOCR's builders make of them, in a child whose folder is `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(find_ppocr("").parent)],
        input=yaml.safe_dump(configs).encode(),
        capture_output=True,
        cwd=folder,
        env=environment({"OMP_NUM_THREADS": "1"}),
        timeout=500,
        check=True,
    )
    return int(done.stdout.decode().rpartition("built ")[2])
