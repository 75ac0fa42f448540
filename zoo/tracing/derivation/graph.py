"""The graph of a pass: every call with the values it takes and gives, views included, and when each value dies.

From the graph the calls of the same pass in another precision or memory layout are derived (`zoo.tracing.derivation.pass_family`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.operators.device_layouts import CUDA_SHORTCUTS
from zoo.operators.op_record import tensors_in
from zoo.recording.lifetimes import Held, LifetimeObserver
from zoo.recording.memo import Action, CallEntry, Operator
from zoo.tracing.derivation.call_types import CallOutcome, Template, TypeTable


class Node(NamedTuple):
    """One call."""

    template: Template
    module: nn.Module | None
    inputs: tuple[int, ...]  # values
    outputs: tuple[int, ...]


class Source(NamedTuple):
    """A value that no call has made."""

    storage: int  # one number for values that share a storage
    nbytes: int  # of its storage
    type: int


class _StorageNumbers(LifetimeObserver):
    """Numbers of storages. An address can belong to several of them, one after another."""

    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count()

    def number_of(self, storage: torch.UntypedStorage, *, is_weight: bool = False) -> int:
        """That of a storage; one of a weight lives as long as the pass."""
        address = storage._cdata
        number = self.label_at(address)
        if number is None:
            number = next(self._count)
            if is_weight:
                self._alive[address] = Held(number)
            else:
                self.observe(storage, address, number)
        return number

    def on_death(self, label: int) -> None:
        """Nothing: another storage at its address gets a number of its own."""


SegmentTypes = dict[tuple[torch.dtype, tuple[int, ...]], tuple[Sequence[CallOutcome], Sequence[int]]]
"""The outcomes of calls and the types of what they make, by the dtype in place of float16 and the types of what they take."""


class Segment(NamedTuple):
    """A part of a pass that is known from elsewhere."""

    start: int  # its first call
    stop: int
    outside: Sequence[int]  # values that it takes
    made: int  # the first value that it makes
    values: int  # how many it makes
    types: SegmentTypes


class Program(NamedTuple):
    """What a pass does, whatever the types of its values."""

    calls: Sequence[Node]
    deaths: Mapping[int, Sequence[int]]  # values by the number of calls made when they die
    sources: Mapping[int, Source]  # by value
    values: int  # how many there are
    growing: AbstractSet[int]  # values whose shape is another one in a larger batch
    contractions: AbstractSet[int]  # calls that are contractions of an einsum
    weights: Sequence[int]
    inputs: Sequence[int]
    segments: Sequence[Segment]
    dtype: torch.dtype  # in place of float16


class Graph(LifetimeObserver):
    """A sink for `zoo.recording.recorder.Recorder`: all calls, and the tensors they take and give as numbered values."""

    name = "graph"
    shortcuts = CUDA_SHORTCUTS
    inlines_parts = True
    follows_values = True

    def __init__(self, table: TypeTable) -> None:
        super().__init__()
        self.table = table
        self.calls: list[Node] = []
        self.outcomes: list[CallOutcome] = []  # of each call
        self.types: list[int] = []  # of each value
        self.deaths: dict[int, list[int]] = {}  # values by the number of calls made when they die
        self.weights: list[int] = []  # values
        self.inputs: list[int] = []
        self.asks_contiguity = False  # whether the model looks at the layout of a tensor
        self.asks_autocast = False  # whether it looks at the state of autocast, or changes it
        self.depends_on_values = False  # whether a mask with values decides on a shape
        self.growing: set[int] = set()  # values whose shape is another one in a larger batch
        self.sources: dict[int, Source] = {}
        self._storages = _StorageNumbers()
        self.contractions: set[int] = set()  # calls that are contractions of an einsum
        self.segments: list[Segment] = []  # in order, apart from one another
        self.composites: set[str] = set()  # full names of operators whose parts are recorded in their place

    def program(self, dtype: torch.dtype) -> Program:
        """The pass with a dtype in place of float16 among the arguments of its calls."""
        calls = self.calls
        if dtype != torch.float16:
            calls = [
                node._replace(template=self.table.with_dtype(node.template, dtype))
                if torch.float16 in node.template.dtypes
                else node
                for node in calls
            ]
        return Program(
            calls, self.deaths, self.sources, len(self.types), self.growing, self.contractions, self.weights, self.inputs,
            self.segments, dtype,
        )  # fmt: skip

    def add_weights(self, tensors: Sequence[Tensor]) -> list[int]:
        """The values of tensors that live as long as the pass."""
        alive, storages, values = self._alive, self._storages, []
        for tensor in tensors:
            identity = id(tensor)
            held = alive.get(identity)
            if held is None:
                value = len(self.types)
                self.types.append(self.table.number_of(tensor))
                alive[identity] = Held(value)
                storage = tensor.untyped_storage()
                self.sources[value] = Source(storages.number_of(storage, is_weight=True), storage.nbytes(), self.types[value])
                values.append(value)
            else:
                values.append(held.label)
        return values

    def add_source(self, tensor: Tensor) -> int:
        """The value of a tensor that no call has made."""
        known = self._alive.get(id(tensor))
        if known is not None:
            return known.label
        value = self._new_value(tensor, self.table.number_of(tensor))
        storage = tensor.untyped_storage()
        self.sources[value] = Source(self._storages.number_of(storage), storage.nbytes(), self.types[value])
        return value

    def constants(self) -> AbstractSet[int]:
        """Values that are neither made by calls nor weights or inputs."""
        return self.sources.keys() - {*self.weights, *self.inputs}

    def _new_value(self, tensor: Tensor, kind: int) -> int:
        value = len(self.types)
        self.types.append(kind)
        self.observe(tensor, id(tensor), value)
        return value

    def on_death(self, label: int) -> None:
        self.deaths.setdefault(len(self.calls), []).append(label)

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> tuple[Template, CallOutcome]:
        template = self.table.template(operator, args, kwargs)
        return template, self.table.outcome_of_call(template, list(tensors_in((args, kwargs))), args, kwargs, out)

    def describe_parts(self) -> Any:
        raise NotImplementedError  # they are calls of their own

    def empty(self) -> Graph:
        return Graph(self.table)

    def operation_at(self, position: int) -> str:
        return self.calls[position].template.operator.name

    def mark_contraction(self, position: int) -> None:
        self.contractions.add(position)

    def add(
        self,
        entry: CallEntry,
        module: nn.Module | None,
        tensors: Sequence[Tensor],
        out: Any,
        made: Sequence[torch.UntypedStorage],
    ) -> None:
        template, outcome = entry.description
        if entry.action == Action.TRACK and not all(tensor.is_meta for tensor in tensors):
            if not any(tensor.is_meta for tensor in tensors):
                template, outcome = self.table.of_values(template, outcome, tensors, out)
            elif any(tensor.dtype == torch.bool and not tensor.is_meta for tensor in tensors):
                self.depends_on_values = True
        alive, types = self._alive, self.types
        inputs = []
        for tensor in tensors:
            reference = alive.get(id(tensor))
            inputs.append(self.add_source(tensor) if reference is None else reference.label)
        template.outcomes.setdefault(tuple([types[value] for value in inputs]), outcome)
        outputs = []
        for tensor, kind in zip((out,) if isinstance(out, Tensor) else tensors_in(out), outcome.types, strict=True):
            reference = alive.get(id(tensor))
            if reference is None:
                outputs.append(self._new_value(tensor, kind))
            else:  # changed in place
                types[reference.label] = kind
                outputs.append(reference.label)
        self.calls.append(Node(template, module, tuple(inputs), tuple(outputs)))
        self.outcomes.append(outcome)
