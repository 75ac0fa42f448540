from __future__ import annotations

import pickle

import pytest

from zoo.jobs import Failure, Job
from zoo.records import CostKey, TraceKey


def test_a_job_is_split_into_one_for_each_row() -> None:
    keys = tuple(CostKey("timm", "vit", size, 1000, "deploy") for size in ("3x224x224", "3x384x384"))
    job = Job(keys, "vits", training=True)
    assert (job.zoo, job.arch) == ("timm", "vit")
    assert job.split() == [Job((key,), "vits", training=True) for key in keys]


def test_records_pickle_because_workers_are_sent_them() -> None:
    job = Job((CostKey("timm", "vit", "3x224x224", None), TraceKey("timm", "vit", "3x224x224", None)))
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.parametrize(("message", "expected"), [("no", "run: ValueError: no"), ("", "run: ValueError")])
def test_a_failure_says_stage_error_and_message(message: str, expected: str) -> None:
    assert str(Failure("run", "ValueError", message)) == expected
