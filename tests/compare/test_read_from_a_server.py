"""Runs that a real MLflow server has: the same values as from its store, with fewer requests."""

from __future__ import annotations

from typing import Any

from pytest import MonkeyPatch

from ocr_train.compare.read import read_runs
from ocr_train.server.serve import ServerAddress
from tests.commands import client
from tests.compare.made_runs import Made, add_checkpoints, add_samples, make_run


def test_curves_checkpoints_and_samples_come_from_a_server(
    servers: ServerAddress, monkeypatch: MonkeyPatch
) -> None:
    """A metric is asked for once for all runs, and MLflow's client for none of them."""
    for name, value in servers.env().items():
        monkeypatch.setenv(name, value)
    store = client(servers.tracking_uri)
    home = store.create_experiment("compared-over-http")
    runs = [
        make_run(store, Made(name=name, top=top, experiment=home)) for name, top in (("a", 0.6), ("b", 0.8))
    ]
    add_checkpoints(store, runs[1], [500, 600], best=500)
    add_samples(store, runs[1], [{"name": "1.jpg", "truth": "ก", "prediction": "ข"}], step=600)
    wanted = {run: [(p.step, p.value) for p in store.get_metric_history(run, "train/loss")] for run in runs}

    def one_by_one(*_arguments: object) -> Any:
        raise AssertionError("the server was asked for one run")

    monkeypatch.setattr(store, "get_metric_history", one_by_one)
    found = read_runs(
        store, [store.get_run(run) for run in runs], {home: "x"}, pictures=2, echo=lambda _text: None
    )
    for run in found:
        loss = run.series["train/loss"]
        assert list(zip(loss.steps, loss.values, strict=True)) == wanted[run.run_id]
        assert run.series["eval/hmean"].steps == tuple(range(50, 601, 50))
    assert [one.step for one in found[1].checkpoints.manifests] == [500, 600]
    assert set(found[1].checkpoints.aliases) == {"best", "latest"}
    assert [(one.name, bool(one.image)) for one in found[1].samples.pictures] == [("1.jpg", True)]
    assert not found[0].checkpoints.manifests
