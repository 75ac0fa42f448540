"""The memory of a step against what torch's profiler sees the CPU allocate, between operations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from models_for_tests import build, build_on_cpu
from training_references import STEPS, peaks_on_cpu

from zoo.counting.count_model import meta_input
from zoo.training.count_training import count_training

BATCH = 2
TOLERANCE = 1e-3
"""A Python number becomes a tensor of 4 or 8 bytes on the CPU, also in the optimiser."""
QUICK = STEPS[:2]


@pytest.fixture(scope="module", autouse=True)
def quick_arithmetic() -> Iterator[None]:
    """Weights without numbers may be subnormal, and arithmetic with these is slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in STEPS if name not in QUICK)])
def test_each_phase_has_the_cpus_peak(name: str) -> None:
    built = build(name)
    cost = count_training(built.model, [meta_input(built.shape, batch=BATCH)])
    measured = peaks_on_cpu(build_on_cpu(name), batch=BATCH, optimizer="adam")
    assert cost.forward.peak_bytes == pytest.approx(measured.forward, rel=TOLERANCE)
    assert cost.backward.peak_bytes == pytest.approx(measured.backward, rel=TOLERANCE)
    assert cost.kept_bytes + cost.optimizers["adam"].temporary_bytes == pytest.approx(measured.step, rel=TOLERANCE)
    persistent = cost.weight_bytes + cost.input_bytes + cost.optimizer_state_bytes("adam")
    assert cost.step_bytes("adam") - persistent == pytest.approx(max(measured), rel=TOLERANCE)


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam", "adamw"])
def test_each_optimiser_has_the_cpus_peak_however_it_steps(optimizer: str, foreach: bool) -> None:
    name = "timm/mobilenetv3_small_050"
    built = build(name)
    cost = count_training(built.model, [meta_input(built.shape, batch=BATCH)])
    measured = peaks_on_cpu(build_on_cpu(name), batch=BATCH, optimizer=optimizer, foreach=foreach)
    counted = cost.optimizers[optimizer]
    temporary = counted.foreach_bytes if foreach else counted.temporary_bytes
    assert cost.kept_bytes + temporary == pytest.approx(measured.step, rel=TOLERANCE)
    persistent = cost.weight_bytes + cost.input_bytes + counted.state_bytes
    assert cost.step_bytes(optimizer, foreach=foreach) - persistent == pytest.approx(max(measured), rel=TOLERANCE)
