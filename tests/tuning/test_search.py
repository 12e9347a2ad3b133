"""Which batch and how many workers are chosen, from measurements that a table has: nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ocr_train.tuning.measurement import Measurement, Setting
from ocr_train.tuning.search import Search, SearchLimits, first_batch, largest_batch

Table = Mapping[tuple[int, int], float | str]


def at(batch: int, workers: int) -> Setting:
    """A setting."""
    return Setting(batch=batch, workers=workers)


def searching(
    table: Table, *, waiting: Mapping[int, float] | None = None, memory: int | None = None, **limits: object
) -> tuple[Search, list[tuple[int, int]]]:
    """A search on a table of samples a second (or a reason of a failure) by batch and workers, and what it measured."""
    tried: list[tuple[int, int]] = []

    def measure(setting: Setting) -> Measurement | None:
        tried.append((setting.batch, setting.workers))
        found = table.get((setting.batch, setting.workers))
        if found is None:
            return None
        if isinstance(found, str):
            return Measurement(setting=setting, failure=found)
        share = (waiting or {}).get(setting.workers, 0.0)
        return Measurement(setting=setting, steps=6, samples_per_s=found, reader_share=share, memory=memory)

    defaults: dict[str, object] = {"largest_batch": 64, "most_workers": 4}
    return Search(measure=measure, limits=SearchLimits(**{**defaults, **limits})), tried  # type: ignore[arg-type]


def test_a_batch_is_doubled_while_it_gains() -> None:
    """Up to the first one that is not 5 % faster, which is said."""
    search, tried = searching({(8, 1): 100.0, (16, 1): 120.0, (32, 1): 122.0})
    assert search.batch(at(8, 1)) == at(16, 1)
    assert tried == [(8, 1), (16, 1), (32, 1)]
    assert "batch_size=32 is not 5% faster than 16" in search.notes


def test_where_a_larger_one_gains_nothing_smaller_ones_are_tried() -> None:
    """On a CPU a small batch may be the faster one."""
    search, tried = searching({(8, 1): 100.0, (16, 1): 90.0, (4, 1): 110.0, (2, 1): 111.0})
    assert search.batch(at(8, 1)) == at(4, 1)
    assert tried == [(8, 1), (16, 1), (4, 1), (2, 1)]


def test_the_experiments_batch_stays_where_none_is_faster() -> None:
    """Its learning rate is for it."""
    search, _ = searching({(8, 1): 100.0, (16, 1): 103.0, (4, 1): 104.0})
    assert search.batch(at(8, 1)) == at(8, 1)


@pytest.mark.parametrize("reason", ["cuda_oom", "host_oom", "trainer_killed"])
def test_want_of_memory_ends_the_way_up(reason: str) -> None:
    """It is a result, and nothing larger is tried."""
    search, tried = searching({(8, 1): 100.0, (16, 1): 150.0, (32, 1): reason, (64, 1): 500.0})
    assert search.batch(at(8, 1)) == at(16, 1)
    assert (64, 1) not in tried
    assert any(reason in note for note in search.notes)


def test_where_the_experiments_own_does_not_fit_the_first_half_that_does_is_taken() -> None:
    """And is not halved further."""
    search, tried = searching({(32, 1): "cuda_oom", (16, 1): "cuda_oom", (8, 1): 50.0, (4, 1): 60.0})
    assert search.batch(at(32, 1)) == at(8, 1)
    assert tried == [(32, 1), (16, 1), (8, 1), (16, 1)][: len(tried)]


def test_an_epoch_keeps_some_steps() -> None:
    """A set of 100 samples is not trained in two steps."""
    assert largest_batch(100, 8, 1) == 12
    search, tried = searching({(8, 1): 100.0, (4, 1): 50.0}, largest_batch=12)
    assert search.batch(at(8, 1)) == at(8, 1)
    assert (16, 1) not in tried
    assert any("fewer than 8 steps" in note for note in search.notes)


def test_a_batch_that_the_data_do_not_fill_is_halved_first() -> None:
    """Until an epoch has eight steps; one that they fill is the experiment's own affair."""
    assert first_batch(100, 256, 1) == 8
    assert first_batch(300, 256, 1) == 256
    assert first_batch(3, 256, 2) == 1


def test_a_batch_that_may_not_fit_into_memory_is_not_tried() -> None:
    """The machine's other work must not be killed for a measurement."""
    search, tried = searching({(8, 1): 100.0, (4, 1): 50.0}, memory=6_000, free_memory=10_000)
    assert search.batch(at(8, 1)) == at(8, 1)
    assert (16, 1) not in tried


def test_the_fewest_workers_that_keep_the_model_fed_are_taken() -> None:
    """More are not tried once next to nothing is waited for."""
    search, tried = searching({(8, 0): 60.0, (8, 1): 95.0, (8, 2): 100.0}, waiting={0: 0.4, 1: 0.06, 2: 0.01})
    assert search.workers(at(8, 0)) == at(8, 2)
    assert tried == [(8, 0), (8, 1), (8, 2)]


def test_workers_that_are_faster_stay_whatever_the_waiting_says() -> None:
    """A step without workers loads its images itself, and waits for nothing where that is short."""
    search, _ = searching({(8, 1): 72.0, (8, 0): 54.0}, waiting={0: 0.0})
    search.look(at(8, 1))
    assert search.workers(at(8, 1)) == at(8, 1)
    assert search.confirm(at(8, 1), at(8, 0)) == at(8, 1)


def test_fewer_workers_that_are_not_slower_are_better() -> None:
    """They need less memory."""
    search, _ = searching({(8, 8): 100.0, (8, 0): 97.0}, waiting={0: 0.0})
    search.look(at(8, 8))
    assert search.workers(at(8, 8)) == at(8, 0)
    assert search.confirm(at(8, 8), at(8, 0)) == at(8, 0)


def test_without_time_for_a_second_measurement_the_first_decides() -> None:
    """And it is said that there was only one."""
    settings = {at(8, 1): [100.0], at(16, 1): [120.0]}

    def measure(setting: Setting) -> Measurement | None:
        left = settings[setting]
        return Measurement(setting=setting, steps=6, samples_per_s=left.pop()) if left else None

    search = Search(measure=measure, limits=SearchLimits(largest_batch=16))
    for setting in settings:
        search.look(setting)
    assert search.confirm(at(8, 1), at(16, 1)) == at(16, 1)
    assert any("(measured once)" in note for note in search.notes)


def test_without_waiting_no_worker_is_needed() -> None:
    """One measurement says so."""
    search, tried = searching({(8, 0): 60.0}, waiting={0: 0.01})
    assert search.workers(at(8, 4)) == at(8, 0)
    assert tried == [(8, 0)]


def test_workers_without_room_in_shared_memory_are_not_tried() -> None:
    """They would end with a bus error."""
    search, tried = searching(
        {(8, 0): 60.0, (8, 1): 80.0},
        waiting={0: 0.5, 1: 0.5},
        fits=lambda one: "too small" * (one.workers > 1),
    )
    assert search.workers(at(8, 0)) == at(8, 1)
    assert tried == [(8, 0), (8, 1)]
    assert any("num_workers=2 was not tried: too small" in note for note in search.notes)


def test_given_sizes_are_all_measured() -> None:
    """Also those after one that gained nothing; the first that none beats by 5 % is taken."""
    search, tried = searching({(4, 1): 50.0, (8, 1): 51.0, (16, 1): 70.0})
    assert search.batch(at(8, 1), [16, 4, 8]) == at(16, 1)
    assert tried == [(4, 1), (8, 1), (16, 1)]


def test_without_time_what_is_known_counts() -> None:
    """And it is said that the time was over."""
    search, _ = searching({(8, 1): 100.0, (16, 1): 130.0})
    assert search.batch(at(8, 1)) == at(16, 1)
    assert search.workers(at(16, 1)) == at(16, 1)
    assert sum("the time was over" in note for note in search.notes) == 1


def test_a_gain_that_is_gone_when_measured_again_is_none() -> None:
    """A machine that was busy for a moment must not change a training."""
    speeds = iter([100.0, 120.0, 112.0, 100.0])

    def measure(setting: Setting) -> Measurement:
        return Measurement(setting=setting, steps=6, samples_per_s=next(speeds))

    search = Search(measure=measure, limits=SearchLimits(largest_batch=16))
    for setting in (at(8, 1), at(16, 1)):
        search.look(setting)
    assert search.confirm(at(8, 1), at(16, 1)) == at(8, 1)
    assert any("which is kept (measured twice, in turn)" in note for note in search.notes)
