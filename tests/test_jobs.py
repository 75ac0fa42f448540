from __future__ import annotations

import pickle

import pytest

from zoo.jobs import Failure, Job
from zoo.records import CostKey, Variant


def test_a_job_promises_one_row_an_input() -> None:
    job = Job("timm", "vit", 1000, ("3x224x224", "3x384x384"), Variant.DEPLOY)
    assert job.keys() == tuple(CostKey("timm", "vit", size, 1000, "deploy") for size in job.inputs)


def test_records_pickle_because_workers_are_sent_them() -> None:
    job = Job("timm", "vit", None, ("3x224x224",))
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.parametrize(("message", "expected"), [("no", "run: ValueError: no"), ("", "run: ValueError")])
def test_a_failure_says_stage_error_and_message(message: str, expected: str) -> None:
    assert str(Failure("run", "ValueError", message)) == expected
