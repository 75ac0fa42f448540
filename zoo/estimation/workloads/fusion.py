"""Fusion: which calls a compiler joins into one kernel, and what that kernel reads and writes.

A call that works on single elements, normalises, reduces, pools or copies joins the kernel that wrote its latest input. A kernel reads
once what others wrote, and writes what others read. Convolutions, products, attention and recurrent layers have kernels of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zoo.estimation.workloads.work import UNFUSED_WORKS
from zoo.traces import Trace, TracedCall


class Access(NamedTuple):
    """Bytes of a tensor that a call reads or writes."""

    nbytes: int
    is_batch_free: bool


class FusionInput(NamedTuple):
    """What decides how a call is fused. Calls that look alike share one."""

    columns: Mapping[str, Any]  # of `describe_call`
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    is_batch_free: bool


class FusedColumns(NamedTuple):
    """Columns of the kernel that starts with a call; those of a call that joins an earlier kernel are empty."""

    fused_work: str = ""
    fused_bytes_in: float = 0.0
    fused_bytes_out: float = 0.0
    fused_free_bytes: float = 0.0
    fused_is_transposed: bool = False


@dataclass(slots=True)
class _Kernel:
    first_call: int
    is_fusible: bool
    works: set[str] = field(default_factory=set)
    is_transposed: bool = False
    reads: dict[int, Access] = field(default_factory=dict)  # by storage
    writes: dict[int, Access] = field(default_factory=dict)

    @property
    def work(self) -> str:
        """A fused kernel is as slow as the slowest kind of work in it."""
        if not self.is_fusible:
            return next(iter(self.works))
        slow = next((work for work in ("norm", "softmax", "reduce", "pool", "resample") if work in self.works), None)
        return slow or ("copy" if self.is_transposed else "elementwise")


class _Write(NamedTuple):
    position: int
    kernel: _Kernel


def fuse(trace: Trace, inputs: Sequence[FusionInput]) -> list[FusedColumns]:
    """The fused columns of each call of a trace.

    Args:
        trace: whose calls are fused.
        inputs: one for each call.
    """
    kernels = _make_kernels(trace.calls, inputs)
    readers: dict[int, set[int]] = defaultdict(set)  # first calls of kernels, by storage
    for kernel in kernels:
        for storage in kernel.reads:
            readers[storage].add(kernel.first_call)
    outputs = {i for i, storage in enumerate(trace.storages) if storage.alloc_at >= 0 and storage.free_at is None}
    fused = [FusedColumns()] * len(trace.calls)
    for kernel in kernels:
        reads = list(kernel.reads.values())
        writes = [access for i, access in kernel.writes.items() if readers[i] - {kernel.first_call} or i in outputs]
        fused[kernel.first_call] = FusedColumns(
            kernel.work,
            sum(access.nbytes for access in reads if not access.is_batch_free) / trace.batch,
            sum(access.nbytes for access in writes if not access.is_batch_free) / trace.batch,
            float(sum(access.nbytes for access in (*reads, *writes) if access.is_batch_free)),
            kernel.is_transposed,
        )
    return fused


def _make_kernels(calls: Sequence[TracedCall], inputs: Sequence[FusionInput]) -> list[_Kernel]:
    kernels: list[_Kernel] = []
    written: dict[int, _Write] = {}  # the last write to each storage
    for position, (call, like) in enumerate(zip(calls, inputs, strict=True)):
        kernel = _kernel_to_join(call, like, written)
        if kernel is None:
            kernel = _Kernel(position, like.columns["work"] not in UNFUSED_WORKS)
            kernels.append(kernel)
        kernel.works.add(like.columns["work"])
        kernel.is_transposed |= like.columns["is_transposed"]
        for tensor, read in zip(call.inputs, like.reads, strict=True):
            write = written.get(tensor.storage)
            if write is None or write.kernel is not kernel:
                earlier = kernel.reads.get(tensor.storage)
                kernel.reads[tensor.storage] = read if earlier is None else read._replace(nbytes=max(read.nbytes, earlier.nbytes))
        for tensor, access in zip(call.outputs, like.writes, strict=True):
            kernel.writes[tensor.storage] = access
            written[tensor.storage] = _Write(position, kernel)
    return kernels


def _kernel_to_join(call: TracedCall, like: FusionInput, written: Mapping[int, _Write]) -> _Kernel | None:
    """The kernel that wrote the latest input, if both it and the call can be fused."""
    if like.columns["work"] in UNFUSED_WORKS or like.is_batch_free:
        return None
    writes = [
        written[tensor.storage]
        for tensor, read in zip(call.inputs, like.reads, strict=True)
        if not read.is_batch_free and tensor.storage in written
    ]
    latest = max(writes, key=lambda write: write.position, default=None)
    return latest.kernel if latest is not None and latest.kernel.is_fusible else None
