"""Fusion: which calls a compiler joins into one kernel, and what that kernel reads and writes.

A call that works on single elements, normalises, reduces, pools or copies joins the kernel that wrote its latest input. A kernel reads
once what others wrote, and writes what others read. Convolutions, products, attention and recurrent layers have kernels of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from zoo.traces import TracedStorage


class Access(NamedTuple):
    """Bytes of a tensor that a call reads or writes."""

    nbytes: int
    is_batch_free: bool


@dataclass(frozen=True, slots=True, eq=False)
class CallSummary:
    """What calls that look alike have in common."""

    columns: Mapping[str, Any]  # of `describe_call`
    work: str
    is_transposed: bool
    is_fusible: bool
    is_batch_free: bool
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]


class FusedColumns(NamedTuple):
    """The columns about the compiled graph; those of a call that joins an earlier kernel are empty."""

    fused_work: str = ""
    fused_bytes_in: float = 0.0
    fused_bytes_out: float = 0.0
    fused_free_bytes: float = 0.0
    fused_is_transposed: bool = False


_JOINED = FusedColumns()


class _Kernel:
    """One kernel of the compiled graph."""

    __slots__ = ("first_call", "is_fusible", "is_transposed", "reads", "works", "writes")

    def __init__(self, first_call: int, is_fusible: bool) -> None:
        self.first_call = first_call  # position of its first call
        self.is_fusible = is_fusible
        self.works: set[str] = set()
        self.is_transposed = False
        self.reads: dict[int, Access] = {}  # by storage
        self.writes: dict[int, Access] = {}


def fuse(
    calls: Sequence[CallSummary],
    reads: Sequence[Sequence[int]],
    writes: Sequence[Sequence[int]],
    storages: Sequence[TracedStorage],
    batch: int,
) -> list[FusedColumns]:
    """What a compiler leaves of each call.

    Args:
        calls: in order.
        reads: the storage of each input of each call.
        writes: likewise of each result.
        storages: all of them.
        batch: images in the pass.
    """
    kernels = _group(calls, reads, writes)
    readers: dict[int, int] = {}  # the only kernel that reads each storage; -1: there are several
    for kernel in kernels:
        for storage in kernel.reads:
            readers[storage] = kernel.first_call if readers.get(storage, kernel.first_call) == kernel.first_call else -1
    fused = [_JOINED] * len(calls)
    for kernel in kernels:
        read = written = free = 0
        for nbytes, is_free in kernel.reads.values():
            if is_free:
                free += nbytes
            else:
                read += nbytes
        for storage, (nbytes, is_free) in kernel.writes.items():
            outlives = storages[storage].alloc_at >= 0 and storages[storage].free_at is None
            if not outlives and readers.get(storage, kernel.first_call) == kernel.first_call:
                continue  # it stays inside the kernel
            if is_free:
                free += nbytes
            else:
                written += nbytes
        work = _slowest_work(kernel)
        fused[kernel.first_call] = FusedColumns(work, read / batch, written / batch, float(free), kernel.is_transposed)
    return fused


def _group(calls: Sequence[CallSummary], reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]]) -> list[_Kernel]:
    kernels: list[_Kernel] = []
    made_by: dict[int, _Kernel] = {}
    made_at: dict[int, int] = {}
    for position, (call, read, written) in enumerate(zip(calls, reads, writes, strict=True)):
        kernel = None
        if not (not call.is_fusible or call.is_batch_free):
            latest = -1
            for storage, (_, is_free) in zip(read, call.reads, strict=True):
                if not is_free and made_at.get(storage, -1) > latest:
                    latest = made_at[storage]
                    kernel = made_by[storage]
        if kernel is None or not kernel.is_fusible:
            kernel = _Kernel(position, call.is_fusible)
            kernels.append(kernel)
        kernel.works.add(call.work)
        kernel.is_transposed |= call.is_transposed
        for storage, (nbytes, is_free) in zip(read, call.reads, strict=True):
            if made_by.get(storage) is not kernel:
                known = kernel.reads.get(storage)
                kernel.reads[storage] = Access(nbytes if known is None or known[0] < nbytes else known[0], is_free)
        for storage, wrote in zip(written, call.writes, strict=True):
            kernel.writes[storage] = wrote
            made_by[storage], made_at[storage] = kernel, position
    return kernels


def _slowest_work(kernel: _Kernel) -> str:
    """A fused kernel is as slow as the slowest kind of work in it."""
    if not kernel.is_fusible:
        return next(iter(kernel.works))
    slow = next((work for work in ("norm", "softmax", "reduce", "pool", "resample") if work in kernel.works), None)
    return slow or ("copy" if kernel.is_transposed else "elementwise")
