"""Fusion: which calls a compiler joins into one kernel, and what that kernel reads and writes.

A call that works on single elements, normalises, reduces, pools or copies joins the kernel that wrote its latest input. A kernel reads
once what others wrote, and writes what others read. Convolutions, products, attention and recurrent layers have kernels of their own.
Which calls are joined does not depend on dtypes and strides, so that passes in several precisions and layouts share it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class CallSummary:
    """What calls that look alike have in common."""

    columns: Mapping[str, Any]  # of `describe_call`
    work: str
    is_transposed: bool
    is_fusible: bool
    is_batch_free: bool
    reads: tuple[int, ...]  # bytes of each tensor that it reads
    writes: tuple[int, ...]
    free_reads: tuple[bool, ...]  # whether each of them is the same for every batch
    free_writes: tuple[bool, ...]


class FusedColumns(NamedTuple):
    """The columns about the compiled graph; those of a call that joins an earlier kernel are empty."""

    fused_work: str = ""
    fused_bytes_in: float = 0.0
    fused_bytes_out: float = 0.0
    fused_free_bytes: float = 0.0
    fused_is_transposed: bool = False


_JOINED = FusedColumns()


Access = tuple[int, int]
"""A tensor of one of the calls of a kernel: which call, and which of the tensors that it reads, or that it writes."""


class Traffic(NamedTuple):
    """What a kernel reads and writes: for each storage whether it is the same for every batch, and the tensors that say how large it is."""

    reads: tuple[tuple[bool, tuple[Access, ...]], ...]
    writes: tuple[tuple[bool, Access], ...]


class Kernel(NamedTuple):
    """One kernel of the compiled graph."""

    members: Sequence[int]  # its calls, in order
    is_fusible: bool
    traffic: Traffic


class _Open:
    """A kernel that calls may still join."""

    __slots__ = ("is_fusible", "members", "reads", "writes")

    def __init__(self, is_fusible: bool) -> None:
        self.is_fusible = is_fusible
        self.members: list[int] = []
        self.reads: dict[int, tuple[bool, list[Access]]] = {}  # by storage
        self.writes: dict[int, tuple[bool, Access]] = {}


def group_calls(
    calls: Sequence[CallSummary],
    reads: Sequence[Sequence[int]],
    writes: Sequence[Sequence[int]],
    kept: Container[int],
) -> list[Kernel]:
    """The kernels that a compiler makes of calls.

    Args:
        calls: in order.
        reads: the storage of each tensor that each call reads.
        writes: likewise of each result.
        kept: storages made in the pass that outlive it.
    """
    kernels = _group(calls, reads, writes)
    readers: dict[int, _Open | None] = {}  # the only kernel that reads each storage; None: there are several
    for kernel in kernels:
        for storage in kernel.reads:
            readers[storage] = kernel if readers.get(storage, kernel) is kernel else None
    done = []
    for kernel in kernels:
        written = []
        for storage, write in kernel.writes.items():
            if storage in kept or readers.get(storage, kernel) is not kernel:  # otherwise it stays inside the kernel
                written.append(write)
        read = tuple([(is_free, tuple(accesses)) for is_free, accesses in kernel.reads.values()])
        done.append(Kernel(kernel.members, kernel.is_fusible, Traffic(read, tuple(written))))
    return done


def _group(calls: Sequence[CallSummary], reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]]) -> list[_Open]:
    kernels: list[_Open] = []
    made_by: dict[int, _Open] = {}
    made_at: dict[int, int] = {}
    for position, (call, read, written) in enumerate(zip(calls, reads, writes, strict=True)):
        kernel = None
        if call.is_fusible and not call.is_batch_free:
            latest = -1
            for storage, is_free in zip(read, call.free_reads, strict=True):
                if not is_free and made_at.get(storage, -1) > latest:
                    latest = made_at[storage]
                    kernel = made_by[storage]
        if kernel is None or not kernel.is_fusible:
            kernel = _Open(call.is_fusible)
            kernels.append(kernel)
        member, kernel_reads = len(kernel.members), kernel.reads
        kernel.members.append(position)
        for place, storage in enumerate(read):
            if made_by.get(storage) is not kernel:
                known = kernel_reads.get(storage)
                accesses = [] if known is None else known[1]
                accesses.append((member, place))
                kernel_reads[storage] = call.free_reads[place], accesses
        for place, storage in enumerate(written):
            kernel.writes[storage] = call.free_writes[place], (member, place)
            made_by[storage], made_at[storage] = kernel, position
    return kernels


def describe_kernel(kernel: Kernel, calls: Sequence[CallSummary], batch: int) -> FusedColumns:
    """The columns of the first call of a kernel.

    Args:
        kernel: of `group_calls`.
        calls: its members.
        batch: images in the pass.
    """
    read = written = free = 0
    for is_free, accesses in kernel.traffic.reads:
        nbytes = max([calls[member].reads[place] for member, place in accesses])
        if is_free:
            free += nbytes
        else:
            read += nbytes
    for is_free, (member, place) in kernel.traffic.writes:
        if is_free:
            free += calls[member].writes[place]
        else:
            written += calls[member].writes[place]
    is_transposed = any(call.is_transposed for call in calls)
    work = _slowest_work(kernel, calls, is_transposed)
    return FusedColumns(work, read / batch, written / batch, float(free), is_transposed)


def _slowest_work(kernel: Kernel, calls: Sequence[CallSummary], is_transposed: bool) -> str:
    """A fused kernel is as slow as the slowest kind of work in it."""
    if not kernel.is_fusible:
        return calls[0].work
    works = {call.work for call in calls}
    slow = next((work for work in ("norm", "softmax", "reduce", "pool", "resample") if work in works), None)
    return slow or ("copy" if is_transposed else "elementwise")


class KernelTable:
    """Kernels described so far, so that equal ones of other layers, passes and models are described once.

    Args:
        batch: images in all passes.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._traffic: dict[Traffic, int] = {}
        self._columns: dict[tuple[int, ...], FusedColumns] = {}
        self._known: dict[FusedColumns, FusedColumns] = {}

    def numbers(self, kernels: Sequence[Kernel]) -> list[int]:
        """Of the traffic of each kernel, for `columns`."""
        known = self._traffic
        return [known.setdefault(kernel.traffic, len(known)) for kernel in kernels]

    def columns(self, kernels: Sequence[Kernel], numbers: Sequence[int], calls: Sequence[CallSummary]) -> list[FusedColumns]:
        """The columns of all calls, equal ones as one object.

        Args:
            kernels: of a pass.
            numbers: of their traffic.
            calls: of the pass; they are kept.
        """
        fused = [_JOINED] * len(calls)
        for kernel, number in zip(kernels, numbers, strict=True):
            members = [calls[position] for position in kernel.members]
            key = (number, *map(id, members))
            found = self._columns.get(key)
            if found is None:
                described = describe_kernel(kernel, members, self._batch)
                found = self._columns[key] = self._known.setdefault(described, described)
            fused[kernel.members[0]] = found
        return fused
