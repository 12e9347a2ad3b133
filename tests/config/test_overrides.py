"""Dotted keys: what is parsed out of text, looked up, set and flattened again."""

from __future__ import annotations

import shlex
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_train.config.overrides import (
    OPTIONAL_KEYS,
    RESERVED_KEYS,
    flatten,
    get_key,
    has_key,
    nearest,
    parse_overrides,
    set_key,
    with_overrides,
)
from ocr_train.errors import ConfigError

CONFIG: dict[str, Any] = {
    "Global": {"epoch_num": 1200, "eval_batch_step": [0, 2000], "pretrained_model": None},
    "Optimizer": {"lr": {"learning_rate": 0.001}},
    "Train": {
        "dataset": {
            "transforms": [
                {"DecodeImage": {"img_mode": "BGR"}},
                {"DetLabelEncode": None},
                {"IaaAugment": {"augmenter_args": [{"type": "Fliplr"}, {"type": "Affine"}]}},
                {"EastRandomCropData": {"size": [640, 640]}},
            ]
        },
        "loader": {"batch_size_per_card": 16},
    },
}

# The first draw of a text loads Unicode's tables, which is slow and says nothing about our code.
settled = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


def operators(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Lists like `transforms`: one-key mappings with distinct names."""
    return st.dictionaries(names, values, min_size=1, max_size=4).map(
        lambda mapping: [{name: value} for name, value in mapping.items()]
    )


configs = st.dictionaries(
    names,
    st.recursive(
        scalars | st.lists(scalars, max_size=3),
        lambda inner: st.dictionaries(names, inner, max_size=4) | operators(inner),
        max_leaves=12,
    ),
    max_size=4,
)


@settled
@given(configs)
def test_every_flattened_key_leads_back_to_its_value(config: dict[str, Any]) -> None:
    """What `flatten` names, `get_key` finds, operators in lists too."""
    for key, value in flatten(config):
        assert not key or get_key(config, key) == value


@settled
@given(configs, st.data())
def test_a_value_that_was_set_is_found_and_nothing_else_changes(
    config: dict[str, Any], data: st.DataObject
) -> None:
    """`set_key` changes the leaf that it names and no other."""
    leaves = dict(flatten(config))
    key = data.draw(st.sampled_from(sorted(leaves) or ["a"]))
    if not key:
        return
    set_key(config, key, "changed")
    assert get_key(config, key) == "changed"
    after = dict(flatten(config))
    assert {name: after[name] for name in leaves if name != key} == {
        name: value for name, value in leaves.items() if name != key
    }


@settled
@given(st.lists(names, min_size=1, max_size=4), scalars)
def test_missing_mappings_are_made_on_the_way(parts: list[str], value: object) -> None:
    """A key may be set before its section exists."""
    config: dict[str, Any] = {}
    set_key(config, ".".join(parts), value)
    assert list(flatten(config)) == [(".".join(parts), value)]


@settled
@given(
    st.dictionaries(names, st.integers() | st.booleans() | st.lists(st.integers(), max_size=3), max_size=4)
)
def test_text_of_overrides_is_read_back(values: dict[str, Any]) -> None:
    """KEY=VALUE words give the values they were written from."""
    text = " ".join(shlex.quote(f"{key}={value}") for key, value in values.items())
    assert parse_overrides(text) == (values, [])


@settled
@given(st.text(max_size=30))
def test_no_text_raises(text: str) -> None:
    """Whatever is typed, the answer is values or problems, and one of them for anything but blanks."""
    values, problems = parse_overrides(text)
    assert values or problems or not shlex.split(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=5", 5),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=1e-4", 0.0001),
        ("a=5E+3", 5000.0),
        ("a=-2.e3", -2000.0),
        ("a='\"1e-4\"'", "1e-4"),
        ("a=1e-4x", "1e-4x"),
        ("a=[320,320]", [320, 320]),
        ("'a={x: 1}'", {"x": 1}),
        ("a=", None),
        ("a=null", None),
        ("a=x=y=z", "x=y=z"),
        ("a=s3://bucket/key?a=b", "s3://bucket/key?a=b"),
        ("'a=two words'", "two words"),
        ('a="two words"', "two words"),
        ("a='[1, 2]'", [1, 2]),
        ("a=ไทย", "ไทย"),
    ],
)
def test_a_value_is_yaml(text: str, value: object) -> None:
    """The value is everything behind the first `=`, read as YAML; quotes keep blanks together."""
    assert parse_overrides(text) == ({"a": value}, [])


def test_words_are_split_at_any_blank() -> None:
    """Several blanks and line ends are one separator."""
    assert parse_overrides("  a.b=1 \n c=2  ") == ({"a.b": 1, "c": 2}, [])


def test_the_last_of_two_equal_keys_wins() -> None:
    """As on every command line."""
    assert parse_overrides("a=1 a=2")[0] == {"a": 2}


def test_every_bad_word_is_a_problem_of_its_own() -> None:
    """A word without `=`, one without a key and one that is no YAML are reported together."""
    values, problems = parse_overrides("Global.x =5 a=[1 good=1")
    assert values == {"good": 1}
    assert len(problems) == 3
    assert "'Global.x' is not KEY=VALUE" in problems[0]
    assert "'=5' is not KEY=VALUE" in problems[1]
    assert "'a' is not YAML: '[1'" in problems[2]


@pytest.mark.parametrize("word", ["a=2020-13-01", "a=0x_"])
def test_a_value_that_only_looks_like_one_is_a_problem(word: str) -> None:
    """A month 13 or a number without digits is refused in words."""
    values, problems = parse_overrides(word)
    assert values == {}
    assert "is not YAML" in problems[0]


@pytest.mark.parametrize("part", ["--1", "\N{SUPERSCRIPT TWO}", "-"])
def test_what_only_looks_like_a_number_is_a_name(part: str) -> None:
    """It is unknown, in words."""
    _, problems = with_overrides(CONFIG, {f"Train.dataset.transforms.{part}": 1})
    assert "unknown key" in problems[0]


def test_an_open_quote_is_a_problem() -> None:
    """The message says to check the quotes."""
    values, problems = parse_overrides("a='x")
    assert values == {}
    assert "check the quotes" in problems[0]


def test_yaml_tags_do_not_make_objects() -> None:
    """A value cannot run code."""
    values, problems = parse_overrides("a='!!python/object/apply:os.getcwd []'")
    assert values == {}
    assert len(problems) == 1


def test_operators_in_a_list_go_by_name() -> None:
    """A transform is changed by its name, whatever its place in the list."""
    key = "Train.dataset.transforms.EastRandomCropData.size"
    result, problems = with_overrides(CONFIG, {key: [320, 320]})
    assert problems == []
    assert result["Train"]["dataset"]["transforms"][3] == {"EastRandomCropData": {"size": [320, 320]}}


def test_an_operator_without_settings_gets_some() -> None:
    """`DetLabelEncode:` holds nothing: forcing a key below it makes the mapping."""
    result, problems = with_overrides(CONFIG, {"+Train.dataset.transforms.DetLabelEncode.x": 1})
    assert problems == []
    assert result["Train"]["dataset"]["transforms"][1] == {"DetLabelEncode": {"x": 1}}


def test_list_items_go_by_number() -> None:
    """Where items have no distinct names, their place counts from 0."""
    key = "Train.dataset.transforms.IaaAugment.augmenter_args.1.type"
    assert get_key(CONFIG, key) == "Affine"
    result, problems = with_overrides(CONFIG, {key: "Resize", "Global.eval_batch_step.1": 50})
    assert problems == []
    assert get_key(result, key) == "Resize"
    assert result["Global"]["eval_batch_step"] == [0, 50]


def test_the_configuration_that_was_given_is_left_as_it_was() -> None:
    """Overrides are laid over a copy, in depth."""
    before = deepcopy(CONFIG)
    with_overrides(CONFIG, {"Train.dataset.transforms.EastRandomCropData.size": [1, 1], "+new.key": 2})
    assert before == CONFIG


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("Global.epoch_nums", "Global.epoch_num"),
        ("global.epoch_num", "Global.epoch_num"),
        ("learning_rate", "Optimizer.lr.learning_rate"),
        ("Optimizer.lr.learningrate", "Optimizer.lr.learning_rate"),
        ("Train.loader.batch_size", "Train.loader.batch_size_per_card"),
        (
            "Train.dataset.transforms.EastRandomCropdata.size",
            "Train.dataset.transforms.EastRandomCropData.size",
        ),
        ("Global.use_ampp", "Global.use_amp"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, suggestion: str) -> None:
    """A typing error is answered with what was most likely meant, and with how to insist."""
    result, problems = with_overrides(CONFIG, {key: 1})
    assert result == CONFIG
    assert len(problems) == 1
    assert f"unknown key {key!r}. Did you mean {suggestion!r}?" in problems[0]
    assert f"+{key}=..." in problems[0]


def test_a_plus_sets_an_unknown_key() -> None:
    """The way out for a key that PaddleOCR reads and we do not know."""
    result, problems = with_overrides(CONFIG, {"+Global.brand_new": 7})
    assert problems == []
    assert result["Global"]["brand_new"] == 7


@pytest.mark.parametrize("key", sorted(OPTIONAL_KEYS))
def test_a_key_that_paddleocr_reads_needs_no_plus(key: str) -> None:
    """A configuration may leave these out; setting them is no typing error."""
    result, problems = with_overrides(CONFIG, {key: 1})
    assert problems == []
    assert get_key(result, key) == 1


@pytest.mark.parametrize("sign", ["", "+"])
@pytest.mark.parametrize("key", sorted(RESERVED_KEYS))
def test_a_key_that_the_run_fills_in_is_refused(key: str, sign: str) -> None:
    """It would be overwritten in silence: the message names what to use in its place, `+` or not."""
    _, problems = with_overrides(CONFIG, {sign + key: 1}, where="here")
    assert problems == [f"here: {key!r} is filled in by the run: {RESERVED_KEYS[key]}"]


def test_a_key_below_a_value_leads_nowhere() -> None:
    """`Global.epoch_num` is a number: nothing can be set inside it."""
    _, problems = with_overrides(CONFIG, {"+Global.epoch_num.x": 1})
    assert len(problems) == 1
    assert "'Global.epoch_num.x' does not exist: 'Global.epoch_num' has no 'x'" in problems[0]


def test_an_operator_that_is_not_in_the_list_leads_nowhere() -> None:
    """Transforms are not added by a key: their order would be a guess."""
    with pytest.raises(ConfigError, match="has no 'RandAugment'"):
        set_key(deepcopy(CONFIG), "Train.dataset.transforms.RandAugment", None)


@pytest.mark.parametrize("key", ["Global.none", "Global.eval_batch_step.2", "Nope.a", "Global.epoch_num.x"])
def test_a_key_that_is_not_there_is_an_error_or_the_default(key: str) -> None:
    """`get_key` raises without a default, and `has_key` says no."""
    with pytest.raises(ConfigError, match="there is no"):
        get_key(CONFIG, key)
    assert get_key(CONFIG, key, None) is None
    assert get_key(CONFIG, key, "d") == "d"
    assert not has_key(CONFIG, key)


def test_a_value_of_none_is_there() -> None:
    """An empty setting is a setting: the default is for missing keys only."""
    assert has_key(CONFIG, "Global.pretrained_model")
    assert get_key(CONFIG, "Global.pretrained_model", "default") is None


def test_flattening_names_operators_and_keeps_plain_lists() -> None:
    """`transforms` goes by name; a list of numbers, or of equal names, is one value."""
    assert dict(flatten(CONFIG)) == {
        "Global.epoch_num": 1200,
        "Global.eval_batch_step": [0, 2000],
        "Global.pretrained_model": None,
        "Optimizer.lr.learning_rate": 0.001,
        "Train.dataset.transforms.DecodeImage.img_mode": "BGR",
        "Train.dataset.transforms.DetLabelEncode": None,
        "Train.dataset.transforms.IaaAugment.augmenter_args": [{"type": "Fliplr"}, {"type": "Affine"}],
        "Train.dataset.transforms.EastRandomCropData.size": [640, 640],
        "Train.loader.batch_size_per_card": 16,
    }


def test_nothing_near_suggests_nothing() -> None:
    """A wild guess would mislead."""
    assert nearest("qqqqqqq", ["model", "data"]) == ""
