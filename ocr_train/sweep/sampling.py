"""Draws the values of a trial so that its number and the seed alone decide: workers never draw the same, a sweep that
goes on does not begin again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocr_train.sweep.settings import TPE, SamplerSettings

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def make_sampler(settings: SamplerSettings) -> BaseSampler:
    """The sampler; the values of a grid are queued, and what it draws besides is not used."""
    from optuna.samplers import BaseSampler, RandomSampler, TPESampler

    class NumberedSampler(BaseSampler):
        """Asks a sampler of the trial's own."""

        def __init__(self) -> None:
            self._number = -1
            self._sampler: BaseSampler = RandomSampler()

        def _of(self, trial: Any) -> BaseSampler:
            if trial.number != self._number:
                seed = (settings.seed * 1_000_003 + trial.number) % 2**32
                self._number = trial.number
                self._sampler = (
                    TPESampler(n_startup_trials=settings.startup, seed=seed)
                    if settings.name == TPE
                    else RandomSampler(seed=seed)
                )
            return self._sampler

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self._of(trial).infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self._of(trial).sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    return NumberedSampler()
