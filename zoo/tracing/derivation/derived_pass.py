"""The passes in one precision, derived from what it does: types follow from those of the weights and inputs, call by call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from zoo.traces import TracedStorage
from zoo.tracing.derivation.call_types import CallOutcome, TypeTable
from zoo.tracing.derivation.casts import NotDerivableError, outcome_of
from zoo.tracing.derivation.graph import Node, Program
from zoo.tracing.derivation.memory_use import MemoryTable, MemoryUse


class DerivedPass(NamedTuple):
    """The calls of one pass."""

    program: Program
    outcomes: Sequence[CallOutcome]  # of each call of the program
    memory: MemoryUse  # one object for passes that use memory alike
    weight_bytes: int
    storages: Sequence[TracedStorage]  # those that calls make


class DerivedPasses:
    """The passes in one precision.

    Args:
        program: what they do.
        table: of the types.
        types: of each source, with images that are not channels last.
        outcomes: of that pass, where they are known.
        memory: of passes of programs with the same calls.
    """

    def __init__(
        self, program: Program, table: TypeTable, types: list[int], outcomes: Sequence[CallOutcome], memory: MemoryTable
    ) -> None:
        self._program, self._table, self._types, self._outcomes, self._memory = program, table, types, outcomes, memory
        self._bytes_of_weights: dict[tuple[int, ...], int] = {}  # by their values

    def in_layout(self, layout: str) -> DerivedPass:
        """The pass in a memory layout."""
        program, types, outcomes = self._program, self._types, self._outcomes
        if layout == "nhwc":
            types = list(types)
            for value in (*program.weights, *program.inputs):
                types[value] = self._table.channels_last(types[value])
        if layout == "nhwc" or not outcomes:
            outcomes = propagate(program, list(types), self._table)
        memory = self._memory.of_pass(program, outcomes)
        return DerivedPass(program, outcomes, memory, self._weight_bytes(memory, types), self._made(memory, types, outcomes))

    def _made(self, memory: MemoryUse, types: Sequence[int], outcomes: Sequence[CallOutcome]) -> list[TracedStorage]:
        """The storages that calls make."""
        origins, roles, alloc_at, free_at = memory.origins, memory.storage_roles, memory.alloc_at, memory.free_at
        made = []
        for number in memory.made:
            call, place = origins[number]
            nbytes = outcomes[call].nbytes[place] if call >= 0 else self._bytes_of_source(place, types[place])
            made.append(TracedStorage(nbytes, roles[number], alloc_at[number], free_at[number]))
        return made

    def _weight_bytes(self, memory: MemoryUse, types: Sequence[int]) -> int:
        """Of the weights; their layout does not matter."""
        known = self._bytes_of_weights.get(memory.weights)
        if known is None:
            known = self._bytes_of_weights[memory.weights] = sum([self._bytes_of_source(v, types[v]) for v in memory.weights])
        return known

    def _bytes_of_source(self, value: int, number: int) -> int:
        """Of its storage, in the dtype of this pass."""
        source = self._program.sources[value]
        if source.type == number:
            return source.nbytes
        old, new = self._table.types[source.type], self._table.types[number]
        if old[2] == new[2]:
            return source.nbytes
        if source.nbytes != math.prod(old[0]) * old[2].itemsize:
            raise NotDerivableError("a weight is part of a larger tensor")
        return math.prod(new[0]) * new[2].itemsize


def propagate(program: Program, types: list[int], table: TypeTable) -> list[CallOutcome]:
    """The outcome of each call; `types` has those of the sources and gets those of all other values."""
    types += [-1] * (program.values - len(types))
    outcomes: list[CallOutcome] = []
    for segment in program.segments:
        outcomes += _propagate_calls(program.calls[len(outcomes) : segment.start], types, table)
        outside = [types[value] for value in segment.outside]
        key = program.dtype, tuple(outside)
        known = segment.types.get(key)
        if known is None:
            found = _propagate_calls(program.calls[segment.start : segment.stop], types, table)
            made = types[segment.made : segment.made + segment.values]
            known = found, made
            if outside == [types[value] for value in segment.outside]:
                segment.types[key] = known
        outcomes += known[0]
        types[segment.made : segment.made + segment.values] = known[1]
    return outcomes + _propagate_calls(program.calls[len(outcomes) :], types, table)


def _propagate_calls(calls: Sequence[Node], types: list[int], table: TypeTable) -> list[CallOutcome]:
    outcomes = []
    for template, _, inputs, outputs in calls:
        key = tuple([types[value] for value in inputs])
        outcome = template.outcomes.get(key) or outcome_of(table, template, key)
        outcomes.append(outcome)
        for value, kind in zip(outputs, outcome.types, strict=True):
            types[value] = kind
    return outcomes
