"""Which memory the calls of a pass read and write, and how long each piece lives: the same for all types that share memory alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from zoo.tracing.derivation.call_types import CallOutcome
from zoo.tracing.derivation.graph import Program

Origin = tuple[int, int]
"""Where a storage comes from: a call and the place among its results, or -1 and a source of the program."""


class Roles(NamedTuple):
    """What the tensors of a call are made of (see `zoo.traces.TracedTensor`); equal ones are one object."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


@cache
def _roles(reads: tuple[str, ...], writes: tuple[str, ...]) -> Roles:
    return Roles(reads, writes)


@dataclass(slots=True, eq=False, weakref_slot=True)
class MemoryUse:
    """Of the calls that compute or move data, in order."""

    calls: list[int] = field(default_factory=list)  # their positions in the program
    reads: list[list[int]] = field(default_factory=list)  # the storage of each tensor that a call reads
    writes: list[list[int]] = field(default_factory=list)
    roles: list[Roles] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)  # of each storage, as the following
    storage_roles: list[str] = field(default_factory=list)
    alloc_at: list[int] = field(default_factory=list)  # which of these calls makes it; -1: none
    free_at: list[int | None] = field(
        default_factory=list
    )  # the first of them before which it is gone; None: it outlives the pass
    made: list[int] = field(default_factory=list)  # storages that calls make
    kept: set[int] = field(default_factory=set)  # those of them that outlive the pass
    weights: tuple[int, ...] = ()  # sources whose storage is that of a weight


class MemoryTable:
    """What passes of programs with the same calls use."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], MemoryUse] = {}  # by the patterns of their outcomes

    def of_pass(self, program: Program, outcomes: Sequence[CallOutcome]) -> MemoryUse:
        """One object for passes that use memory alike."""
        patterns = tuple([outcome.pattern for outcome in outcomes])
        return self._known.get(patterns) or self._known.setdefault(patterns, follow_memory(program, outcomes))


def follow_memory(program: Program, outcomes: Sequence[CallOutcome]) -> MemoryUse:
    """The memory that a program uses when its calls have these outcomes."""
    walk = _Walk(program)
    for position, outcome in enumerate(outcomes):
        walk.release(program.deaths.get(position, ()))
        walk.call(position, outcome)
    walk.release(program.deaths.get(len(outcomes), ()))
    return walk.finish()


class _Walk:
    """Goes through a program call by call. Some hundred thousand calls a minute, so it is written for speed."""

    def __init__(self, program: Program) -> None:
        self._program, self._calls = program, program.calls
        self._use = MemoryUse()
        self._storage_of = [-1] * program.values
        self._users: list[int] = []  # of each storage, how many values alive share it
        self._origins: list[Origin] = []
        self._numbers: list[int] = []  # of each storage among those that calls read or write; -1: none does
        self._read_roles: list[list[str]] = []  # of each call
        self._write_roles: list[list[str]] = []
        known: dict[int, int] = {}  # by the number of a source's storage
        for value, source in program.sources.items():
            storage = known.get(source.storage, -1)
            if storage < 0:
                storage = known[source.storage] = self._new_storage((-1, value))
            self._storage_of[value] = storage
            self._users[storage] += 1
        for values, role in ((program.weights, "weight"), (program.inputs, "input")):
            for value in values:
                self._number(self._storage_of[value], role, -1)

    def _new_storage(self, origin: Origin) -> int:
        self._origins.append(origin)
        self._users.append(0)
        self._numbers.append(-1)
        return len(self._users) - 1

    def _number(self, storage: int, role: str, alloc_at: int) -> int:
        known = self._numbers[storage]
        if known < 0:
            use = self._use
            known = self._numbers[storage] = len(use.origins)
            use.origins.append(self._origins[storage])
            use.storage_roles.append(role)
            use.alloc_at.append(alloc_at)
            use.free_at.append(None)
        return known

    def release(self, values: Sequence[int]) -> None:
        """Values die; so does a storage with the last value that shares it."""
        for value in values:
            storage = self._storage_of[value]
            self._users[storage] -= 1
            if not self._users[storage] and self._numbers[storage] >= 0:
                self._use.free_at[self._numbers[storage]] = len(self._use.calls)

    def call(self, position: int, outcome: CallOutcome) -> None:
        """One call of the program."""
        _, _, inputs, outputs = self._calls[position]
        storage_of, users = self._storage_of, self._users
        storages = [storage_of[value] for value in inputs]
        for place, source in enumerate(outcome.sources):
            storage = storages[source] if source >= 0 else self._new_storage((position, place))
            storages.append(storage)
            value = outputs[place]
            if storage_of[value] < 0:
                storage_of[value] = storage
                users[storage] += 1
        layout, read, is_allocation = outcome.call
        if layout is not None:
            self._record(position, [storages[i] for i in read], storages[len(inputs) :])
        elif is_allocation:
            for storage in storages[len(inputs) :]:
                self._number(storage, "constant", len(self._use.calls))

    def _record(self, position: int, read: Sequence[int], written: Sequence[int]) -> None:
        use, numbers, roles = self._use, self._numbers, self._use.storage_roles
        reads = [numbers[storage] if numbers[storage] >= 0 else self._number(storage, "constant", -1) for storage in read]
        read_roles = [roles[number] for number in reads]
        is_constant = "activation" not in read_roles and "input" not in read_roles
        role, count = "constant" if is_constant else "activation", len(use.calls)
        writes = [numbers[storage] if numbers[storage] >= 0 else self._number(storage, role, count) for storage in written]
        write_roles = [roles[number] for number in writes]
        if not is_constant and ("constant" in write_roles or "weight" in write_roles):  # one that is written into
            for number, written_role in zip(writes, write_roles, strict=True):
                if written_role != "input":
                    roles[number] = "activation"
            write_roles = [roles[number] for number in writes]
        use.calls.append(position)
        use.reads.append(reads)
        use.writes.append(writes)
        self._read_roles.append(read_roles)
        self._write_roles.append(write_roles)

    def finish(self) -> MemoryUse:
        """What was found; constants that grow with the batch get a role of their own."""
        if self._program.growing:
            self._mark_repeated()
        self._use.roles = [
            _roles(tuple(reads), tuple(writes)) for reads, writes in zip(self._read_roles, self._write_roles, strict=True)
        ]
        use = self._use
        use.made = [number for number, made_by in enumerate(use.alloc_at) if made_by >= 0]
        use.kept = {number for number in use.made if use.free_at[number] is None}
        use.weights = tuple([value for (_, value), role in zip(use.origins, use.storage_roles, strict=True) if role == "weight"])
        return use

    def _mark_repeated(self) -> None:
        use, growing = self._use, self._program.growing
        repeated: set[int] = set()
        for call, position in enumerate(use.calls):
            outputs = self._program.calls[position].outputs
            roles = self._write_roles[call]
            repeated.update(
                number
                for number, role, value in zip(use.writes[call], roles, outputs, strict=True)
                if role == "constant" and value in growing
            )
            if repeated:
                for numbers, own in ((use.reads[call], self._read_roles[call]), (use.writes[call], roles)):
                    own[:] = ["repeated" if n in repeated and r == "constant" else r for n, r in zip(numbers, own, strict=True)]
        for number in repeated:
            if use.storage_roles[number] == "constant":
                use.storage_roles[number] = "repeated"
