"""Measures steps of a model on a device. Importing this module imports torch.

A step is one forward pass of a batch that is already on the device, in inference mode, from the call until the device has completed
it. Weights are random, so time that depends on their values is not that of a trained model; subnormal numbers, which
random weights make and trained ones do not, are flushed to zero.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.measurement.environment import physical_cores, thread_count
from zoo.measurement.repetition import Timing, TimingTarget, repeat
from zoo.run_config import RunConfig

_SEED = 0
_PRODUCT = TimingTarget(half_width=0.05, least=6, most=200, time_s=0.5, warm_up=2, warm_up_s=0.05)
_FIRST_SIZE, _LARGEST_SIZE = 512, 16_384
_LONG_ENOUGH_S = 0.03
"""A product that takes longer is large enough: larger ones do not reach a higher rate."""

_RESET_PEAK = "5"
"""Written to `clear_refs`, it resets the peak of resident memory (proc(5))."""

_WORDS_OF_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cannot allocate memory",
    "could not create a memory",
)


def configure_torch(run: RunConfig) -> None:
    """Pins threads to cores of their own, and lets cuDNN choose algorithms by trying them.

    Threads that exist already are not pinned; call this before torch has computed anything.
    """
    torch.manual_seed(_SEED)
    if run.is_cpu:
        threads, cores = thread_count(run), physical_cores()
        if hasattr(os, "sched_setaffinity") and threads <= len(cores):
            os.sched_setaffinity(0, cores[:threads])
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True


def place_model(model: nn.Module, run: RunConfig) -> nn.Module:
    """The model on its device, in its dtype and layout, compiled if it is to be."""
    model = model.eval().to(torch.device(run.device))
    if not run.precision.is_autocast:
        model = model.to(getattr(torch, run.precision.dtype))
    if run.layout == "nhwc":
        model = model.to(memory_format=torch.channels_last)
    return torch.compile(model) if run.compiled else model  # type: ignore[return-value]


def place_inputs(inputs: Any, run: RunConfig) -> Any:
    """Tensors like the given ones on the device: normally distributed numbers, and zeros where they are whole numbers."""

    def fill(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return torch.zeros(tensor.shape, dtype=tensor.dtype, device=run.device)
        dtype = tensor.dtype if run.precision.is_autocast else getattr(torch, run.precision.dtype)
        filled = torch.randn(tensor.shape, device=run.device).to(dtype)
        return filled.contiguous(memory_format=torch.channels_last) if run.layout == "nhwc" and filled.ndim == 4 else filled

    return pytree.tree_map_only(Tensor, fill, inputs)


def time_steps(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], run: RunConfig, target: TimingTarget) -> Timing:
    """The time of a step of a placed model on placed inputs.

    Raises:
        Exception: whatever the model raises; `is_out_of_memory` tells one kind from the others.
    """
    with inference_context(run):
        return repeat(lambda: _time_call(lambda: model(*args, **kwargs), run), target)


def measure_peak(run: RunConfig) -> float:
    """The rate of a matrix product (2 n^3 operations) in GFLOP/s: the best that the device reaches in this dtype.

    Square matrices grow until a product takes long enough, and the best rate is returned. The rate for amp is that of float16.
    """
    dtype = getattr(torch, run.precision.product_dtype)
    size, best = _FIRST_SIZE, 0.0
    with inference_context(RunConfig(run.device)):
        while True:
            left, right = (torch.randn(size, size, device=run.device).to(dtype) for _ in range(2))
            timing = repeat(lambda: _time_call(lambda: left @ right, run), _PRODUCT)  # noqa: B023  # called before they change
            best = max(best, 2 * size**3 / timing.median_s / 1e9)
            if timing.median_s >= _LONG_ENOUGH_S or size >= _LARGEST_SIZE:
                return best
            size *= 2


@contextlib.contextmanager
def inference_context(run: RunConfig) -> Iterator[None]:
    """Inference mode, autocast if the precision asks for it, and no garbage collection in the middle of a step."""
    casting: AbstractContextManager[Any] = (
        torch.autocast(torch.device(run.device).type, dtype=torch.float16) if run.precision.is_autocast else nullcontext()
    )
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with torch.inference_mode(), casting:
            yield
    finally:
        if was_enabled:
            gc.enable()


def reset_peak_memory(run: RunConfig) -> None:
    """Frees memory of earlier batches, and resets the peak."""
    gc.collect()
    if run.device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(run.device)
    elif run.device == "mps":
        torch.mps.empty_cache()
    else:
        with contextlib.suppress(OSError):  # not every system records a peak
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def peak_memory_bytes(run: RunConfig, before: int | None) -> int | None:
    """Peak memory since `reset_peak_memory`, weights included; None where it is not available.

    On a GPU it is that of tensors. On a CPU it is the growth of resident memory since `before`, scratch memory of kernels and memory
    that the allocator holds included.
    """
    if run.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(run.device)
    most = resident_bytes(most=True) if run.is_cpu else None
    return None if most is None or before is None else max(0, most - before)


def resident_bytes(*, most: bool = False) -> int | None:
    """Resident memory of this process, now or at most since `reset_peak_memory`; None where it is not available."""
    return proc_bytes("/proc/self/status", "VmHWM" if most else "VmRSS")


def proc_bytes(path: str, name: str) -> int | None:
    """An amount in a file of Linux's proc file system, whose lines are `name: 123 kB`; None without such a file or line."""
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the process is out of memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS_OF_NO_MEMORY)


def _time_call(call: Callable[[], object], run: RunConfig) -> float:
    """Seconds from the call until the device is done, including the time of launching kernels."""
    _synchronise(run)
    started = time.perf_counter()
    call()
    _synchronise(run)
    return time.perf_counter() - started


def _synchronise(run: RunConfig) -> None:
    if run.device.startswith("cuda"):
        torch.cuda.synchronize(run.device)
    elif run.device == "mps":
        torch.mps.synchronize()
