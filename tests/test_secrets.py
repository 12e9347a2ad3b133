"""Credentials are found and hidden; everything else stays to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_train.secrets import Redactor
from tests.fuzz import cases

CANARY = "canary-Zx81/+q"
PASSWORD = "canary-in-a-url"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "MY_API_KEY",
    ],
)
def test_value_of_a_secret_variable_is_hidden_anywhere(name: str) -> None:
    """Whatever prints it: a trace, a configuration, a command line."""
    redact = Redactor({name: CANARY})
    assert redact.text(f"before {CANARY}{CANARY} after") == "before ****** after"


def test_password_in_an_address_is_hidden() -> None:
    """The host stays readable, in an environment variable's address and in any other."""
    redact = Redactor({"MLFLOW_TRACKING_URI": f"http://me:{PASSWORD}@host:5000"})
    assert (
        redact.text(f"no answer from http://me:{PASSWORD}@host:5000/api")
        == "no answer from http://***@host:5000/api"
    )
    assert redact.text(f"it was {PASSWORD}") == "it was ***"
    assert Redactor({}).text("see https://a:b-c-d@x.y/z") == "see https://***@x.y/z"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Global.wandb_token=abc123", "Global.wandb_token=***"),
        ("    api_key : 'abc123'", "    api_key : '***'"),
        ('{"password": "abc123", "epochs": 3}', '{"password": "***", "epochs": 3}'),
        ("secret_access_key: null", "secret_access_key: null"),
    ],
)
def test_value_of_a_setting_that_says_so_is_hidden(text: str, hidden: str) -> None:
    """In overrides, YAML, JSON and PaddleOCR's own print of its configuration."""
    assert Redactor({}).text(text) == hidden


def test_param_is_hidden_by_its_last_name() -> None:
    """`cfg/Global.api_key` is secret whatever its value looks like; `tokens_per_line` in a path is not."""
    redact = Redactor({})
    assert redact.value("cfg/Global.api_key", "plain words here") == "***"
    assert redact.value("cfg/Global.api_key", "None") == "None"
    assert redact.value("cfg/Global.epoch_num", "3") == "3"


def test_ordinary_training_text_stays_as_it_is() -> None:
    """Logs, labels and paths are not touched."""
    text = (Path(__file__).parent / "data" / "logs" / "det_2.10.log").read_text(encoding="utf-8")
    redact = Redactor({"AWS_SECRET_ACCESS_KEY": CANARY, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"})
    assert redact.text(text) == text
    assert redact.text("/var/run/token") == "/var/run/token"


def test_file_with_a_secret_is_copied_without_it(tmp_path: Path) -> None:
    """The original, which the trainer reads, stays; a file without secrets, or no text, is taken as it is."""
    redact = Redactor({"MY_TOKEN": CANARY})
    config = tmp_path / "config.yml"
    config.write_text(f"url: {CANARY}\nน้ำ: 1\n", encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    clean = redact.file(config, scratch)
    assert clean.read_text(encoding="utf-8") == "url: ***\nน้ำ: 1\n"
    assert CANARY in config.read_text(encoding="utf-8")
    weights = tmp_path / "model.pdparams"
    weights.write_bytes(CANARY.encode())
    assert redact.file(weights, scratch) == weights


@settings(max_examples=cases(200), deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_secret_never_survives(before: str, after: str) -> None:
    """Whatever stands around it."""
    assert CANARY not in Redactor({"A_SECRET": CANARY}).text(before + CANARY + after)
