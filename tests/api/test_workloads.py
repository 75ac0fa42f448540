"""Workloads of one model in several modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.api.workloads import RecordedWorkload, WorkloadRecorder
from zoo.counting.count_model import meta_input
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import Precision
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import Arguments

SHAPE = (3, 16, 16)
MODES = [
    (Precision.FP32, "nchw"), (Precision.FP16, "nhwc"), (Precision.AMP, "nchw"), (Precision.AMP_FAST_NORM, "nhwc"),
]  # fmt: skip


def arguments(batch: int) -> Arguments:
    return (meta_input(SHAPE, batch=batch),), {}


def test_workloads_are_those_of_traces() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 4)).eval()
    workloads = WorkloadRecorder().record(PassModel(model.to("meta")), arguments, MODES)
    assert list(workloads) == MODES
    for mode, workload in workloads.items():
        assert isinstance(workload, RecordedWorkload)
        assert workload.is_derived == (mode[0] is not Precision.AMP_FAST_NORM)
        assert workload.workload.rows() == summarise(zoo.trace(model, SHAPE, precision=mode[0], layout=mode[1]))


@pytest.fixture
def library() -> Iterator[torch.library.Library]:
    with torch.library._scoped_library("zoometer_workloads", "DEF") as scoped:
        yield scoped


class OnlyFull(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise ValueError("full precision only")
        return x * 2


def test_a_mode_that_fails_leaves_the_others() -> None:
    workloads = WorkloadRecorder().record(PassModel(OnlyFull()), arguments, [(Precision.FP16, "nchw"), (Precision.FP32, "nchw")])
    failed, run = workloads.values()
    assert isinstance(failed, ValueError)
    assert isinstance(run, RecordedWorkload)
    assert not run.is_derived
    assert [row["operation"] for row in run.workload.rows()] == ["mul"]


def test_a_call_without_tensors_is_recorded(library: torch.library.Library) -> None:
    class Announcing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.ops.zoometer_workloads.announce(3)
            return x * 2

    library.define("announce(int number) -> ()")
    library.impl("announce", lambda number: None, "CompositeExplicitAutograd")
    workloads = WorkloadRecorder().record(PassModel(Announcing()), arguments, MODES)
    for workload in workloads.values():
        assert isinstance(workload, RecordedWorkload)
        assert [row["operation"] for row in workload.workload.rows()] == ["zoometer_workloads::announce", "mul"]
