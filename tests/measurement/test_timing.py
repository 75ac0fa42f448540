"""Measuring on the CPU of the machine that runs the tests."""

from __future__ import annotations

import time

import pytest
import torch
from nets_for_tests import TOKENS, ImageAndText
from torch import Tensor, nn

from zoo.measurement.repetition import TimingTarget
from zoo.measurement.timing import (
    inference_context,
    is_out_of_memory,
    measure_peak,
    peak_memory_bytes,
    place_inputs,
    place_model,
    reset_peak_memory,
    resident_bytes,
    time_steps,
)
from zoo.run_config import RUN_BY_TORCH, Precision, RunConfig

QUICK = TimingTarget(half_width=0.5, least=6, most=20, time_s=2.0, warm_up=1, warm_up_s=0.0)
SLEEP_S = 0.02


class Sleeping(nn.Module):
    """Takes a known time, at least."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(SLEEP_S)
        return x


def test_a_step_takes_as_long_as_it_takes() -> None:
    timing = time_steps(Sleeping(), (torch.zeros(1),), {}, RunConfig("cpu"), QUICK)
    assert SLEEP_S <= timing.median_s < 10 * SLEEP_S
    assert 6 <= timing.repetitions <= 20


@pytest.mark.parametrize("precision", RUN_BY_TORCH)
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_model_and_input_are_in_the_dtype_and_layout_asked_for(precision: Precision, layout: str) -> None:
    run = RunConfig("cpu", precision, layout)
    model = place_model(nn.Conv2d(3, 8, 3), run)
    (image,) = place_inputs((torch.empty(2, 3, 16, 16, device="meta"),), run)
    weight = next(model.parameters())
    held = torch.float32 if precision is Precision.AMP else getattr(torch, precision.dtype)
    assert (weight.dtype, image.dtype) == (held, held)
    assert image.is_contiguous(memory_format=torch.channels_last) == (layout == "nhwc")
    assert weight.is_contiguous(memory_format=torch.channels_last) == (layout == "nhwc")
    with inference_context(run):
        assert model(image).dtype == (torch.float16 if precision is Precision.AMP else held)


def test_inputs_of_whole_numbers_are_indices_that_exist() -> None:
    """Zero is in every vocabulary."""
    tensors = {
        "image": torch.empty(1, 3, 8, 8, device="meta"),
        "tokens": torch.empty(1, TOKENS, dtype=torch.int64, device="meta"),
    }
    inputs = place_inputs(tensors, RunConfig("cpu", Precision.BF16))
    assert (inputs["image"].dtype, inputs["tokens"].dtype) == (torch.bfloat16, torch.int64)
    assert inputs["tokens"].eq(0).all()
    time_steps(place_model(ImageAndText(), RunConfig("cpu", Precision.BF16)), (), inputs, RunConfig("cpu"), QUICK)


def test_a_matrix_product_has_a_rate() -> None:
    peak = measure_peak(RunConfig("cpu"))
    assert 1 < peak < 100_000  # GFLOP/s of any CPU that runs this


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1"),
            True,
        ),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_an_allocation_that_really_fails_is_one() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_peak_memory_on_a_cpu_is_what_the_process_grew_by() -> None:
    before = resident_bytes()
    if before is None:
        pytest.skip("this system does not say")
    reset_peak_memory(RunConfig("cpu"))
    wanted = 2**28
    held = torch.ones(wanted, dtype=torch.uint8)
    del held
    peak = peak_memory_bytes(RunConfig("cpu"), before)
    assert peak is not None
    assert wanted - 2**20 <= peak < wanted + 2**27  # the system counts pages in bundles
    reset_peak_memory(RunConfig("cpu"))
    after = peak_memory_bytes(RunConfig("cpu"), before)
    assert after is not None
    assert after < wanted / 2  # the peak is that since it was last forgotten
