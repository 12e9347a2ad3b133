"""What a job will cost, and what it has cost, in hours of its machines. Prices are the user's: they differ by region."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_train.cluster.sagemaker.service import Job
from ocr_train.cost import Estimate, estimate


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Hours of all machines together, and US dollars; `saving` is the share, from 0 to 1, that spot instances saved,
    None where they saved nothing or it is not known."""

    machine_hours: float
    usd: float | None
    saving: float | None


def bill(job: Job, hourly_usd: float | None) -> Bill | None:
    """What `job` has cost at `hourly_usd` for an hour of one machine; None where SageMaker has not said it yet.

    BillableTimeInSeconds times the number of machines, and what a warm pool kept: Amazon SageMaker API Reference,
    DescribeTrainingJob, and Developer Guide, "Managed Spot Training".
    """
    if job.billable_s is None:
        return None
    hours = (job.billable_s + job.retained_s) * job.machines / 3600
    saving = None
    if job.spot and job.training_s:
        saving = max(0.0, 1 - job.billable_s / job.training_s)
    return Bill(machine_hours=hours, usd=None if hourly_usd is None else hours * hourly_usd, saving=saving)


def expected(
    *, seconds_per_sample: float, samples: int, epochs: int, machines: int, hourly_usd: float | None
) -> Estimate:
    """What `machines` take for the training, from what one of them took for a sample; raises `ValueError`.

    They share the samples without a loss, which is the best case.
    """
    return estimate(
        seconds_per_sample=seconds_per_sample / machines,
        samples=samples,
        epochs=epochs,
        hourly_usd=hourly_usd,
        machines=machines,
    )
