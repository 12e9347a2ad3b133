"""No credential reaches MLflow, a run's folder or the terminal: whole runs with canaries in every input."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from ocr_train.config.experiment import EXPERIMENTS
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from tests.commands import SCRIPTED, ocr_train, ocr_train_here, only_run, store

pytestmark = pytest.mark.slow
MARK = "CANARY"
Command = Callable[..., subprocess.CompletedProcess[str]]
ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "/CANARYaws+0123456789/abcdefghijklmnopqr",
    "AWS_SESSION_TOKEN": "CANARYsession2",
    "DB_PASS": "CANARYdb3",
    "PGPASSWORD": "CANARYpg 4",
    "MYSQL_PWD": "CANARYmy5",
    "DATABASE_URL": "postgres://u:CANARYurl6@h/x?sslpassword=CANARYurl7",
    "DEPLOY_KEY": "-----BEGIN KEY-----\nCANARYkey80123456789abc\n-----END KEY-----",
}
OVERRIDES = {
    "wandb_token": "CANARYov1",
    "password": "CANARYov 2",
    "pwd": "CANARYov3",
    "pass": "CANARYov4",
    "mirror": "http://me:CANARYov5@host/x",
    "dsn": "postgres://h/x?password=CANARYov6",
    "sas": "https://a/c?sv=1&sig=CANARYov7abcdef&se=2",
    "note": "AKIACANARY5EXAMPLE1",
    "header": "Bearer CANARYov8abcdef",
    "github": "ghp_CANARYov9abcdefghijklmnopqrstuvwx",
    "nested": "{api_key: CANARYov10, n: 1}",
    "max_new_tokens": "1024",
    "decoder_start_token_id": "7",
}
LEAKED = [
    "    wandb_token : CANARYout1, mirror : http://me:CANARYout2@host/x",
    "ConnectionError: https://h/x?X-Amz-Signature=CANARYout3&X-Amz-Security-Token=CANARYout4",
    "Authorization: Bearer CANARYout5abcdef and eyJCANARYhbGciOiJI.eyJzdWIiOiIx.CANARYout6",
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIICANARYout7abcdefghijklmnopqrst",
    "-----END RSA PRIVATE KEY-----",
    "glpat-CANARYout8abc xoxb-1234567-CANARYout9 hf_CANARYabcdefghij0",
    "connected with CANARYov1 and CANARYov6 and CANARYov 2",
    *(
        value.splitlines()[-1] if "\n" not in value else value.splitlines()[1]
        for value in ENVIRONMENT.values()
    ),
]


def experiment_file(folder: Path) -> Path:
    """A model of our own with canaries in its description and its settings."""
    document = yaml.safe_load((EXPERIMENTS / "rec_mv3_none_bilstm_ctc.yaml").read_text(encoding="utf-8"))
    document["description"] = "Fetched with ghp_CANARYexp1abcdefghijklmnopqrstuvwx."
    document["paddleocr"]["Global"] |= {"hub": {"auth_token": "CANARYexp2"}, "hook": "https://x:CANARYexp3@h"}
    if document.get("dictionary"):
        document["dictionary"] = str((EXPERIMENTS / document["dictionary"]).resolve())
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def found_in(paths: Iterable[Path]) -> list[str]:
    """Where a canary is, and what it is."""
    found = []
    for path in paths:
        if path.is_file() and MARK.encode() in (content := path.read_bytes()):
            at = content.index(MARK.encode())
            found.append(f"{path}: {content[max(0, at - 40) : at + 40]!r}")
    return found


def train(
    folder: Path, *more: str, env: dict[str, str] | None = None, command: Command = ocr_train_here
) -> str:
    """Train with all of them in its inputs; everything that was printed."""
    data = folder / "words"
    if not data.is_dir():
        make_demo(data, DemoSpec(task="rec", train=8, val=4))
    overrides = " ".join(f"'+Global.{key}={value}'" for key, value in OVERRIDES.items())
    done = command(
        *("train", "--model", experiment_file(folder), "--data", data, "--paddleocr", SCRIPTED),
        *("--epochs", "1", "--batch-size", "4", "--overrides", overrides, *more),
        cwd=folder,
        env={**ENVIRONMENT, "SCRIPTED_LEAK": "\n".join(LEAKED), **(env or {})},
    )
    fault = (env or {}).get("SCRIPTED_FAULT", "")
    assert done.returncode == (6 if fault else 0), done.stdout + done.stderr
    return done.stdout + done.stderr


def written(folder: Path) -> list[Path]:
    """Every file that we wrote, but the trainer's own configuration: it must have them, and nobody else may read it."""
    own = list((folder / "outputs").glob("*/config.yml"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in own] == [0o600] * len(own)
    places = ("outputs", "mlruns", "mlflow.db", "page", "compare.json", "runs.json")
    below = [path for name in places for path in [folder / name, *(folder / name).rglob("*")]]
    return [path for path in below if path.is_file() and path not in own]


class _Tags(HTMLParser):
    """Whether every table cell that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count."""
        self.open += tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        """Count."""
        self.open -= tag in ("td", "th")


def test_canaries_are_nowhere_in_mlflow_on_the_terminal_or_in_a_comparison(store_folder: Path) -> None:
    """Params, tags, the logged configuration, the log, the page and every message are clean, and still are what they
    were: YAML, JSON, HTML, and the numbers that only look like secrets."""
    # A process of its own shows what only the end of one prints, too.
    said = train(store_folder, command=ocr_train) + train(store_folder, "--learning-rate", "0.002")
    page = ("--out", "page", "--json", "compare.json")
    done = ocr_train_here("compare", "--filter", "tags.task = 'rec'", *page, cwd=store_folder)
    assert done.returncode == 0, done.stderr
    said += done.stdout + done.stderr
    assert MARK not in said
    files = written(store_folder)
    assert len(files) > 20
    assert found_in(files) == []
    run = only_run(store(store_folder))
    assert run.data.params["cfg/Global.max_new_tokens"] == "1024"
    assert run.data.params["cfg/Global.dsn"] == "postgres://h/x?password=***"
    assert "Global.decoder_start_token_id=7" in run.data.tags["launch_command"]
    for path in (store_folder / "mlruns").rglob("*.y*ml"):
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
    [config, _] = sorted((store_folder / "mlruns").rglob("checkpoints/config.yml"))
    stored = yaml.safe_load(config.read_text(encoding="utf-8"))["Global"]
    assert (stored["max_new_tokens"], stored["decoder_start_token_id"]) == (1024, 7)
    assert stored["nested"] == {"api_key": "***", "n": 1}
    tags = _Tags()
    tags.feed((store_folder / "page" / "index.html").read_text(encoding="utf-8"))
    assert tags.open == 0
    json.loads((store_folder / "compare.json").read_text(encoding="utf-8"))


def test_canaries_are_nowhere_after_a_crash(store_folder: Path) -> None:
    """The last lines and the reason come from what the trainer printed."""
    said = train(store_folder, env={"SCRIPTED_FAULT": "crash"})
    assert MARK not in said
    assert found_in(written(store_folder)) == []


def test_canaries_are_nowhere_in_a_run_without_a_server_or_where_sync_brings_it(store_folder: Path) -> None:
    """`sync` may run in another shell, which knows none of the secrets: what waits for it has none."""
    uri = {"MLFLOW_TRACKING_URI": "http://me:CANARYuri1@127.0.0.1:9"}
    said = train(store_folder, "--offline", "true", env=uri)
    assert MARK not in said
    assert found_in(written(store_folder)) == []
    synced = ocr_train_here("sync", cwd=store_folder)
    assert synced.returncode == 0, synced.stdout + synced.stderr
    assert MARK not in synced.stdout + synced.stderr
    assert found_in(written(store_folder)) == []
    assert only_run(store(store_folder)).info.status == "FINISHED"
