"""The part of a graph that one module has made, kept so that equal modules can repeat it (`zoo.tracing.derivation.block_recorder`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.tracing.derivation.call_types import CallOutcome, Template
from zoo.tracing.derivation.graph import Graph, SegmentTypes
from zoo.tracing.derivation.structure import TENSOR_PLACES

_PLAIN = frozenset({int, float, bool, str, type(None), torch.dtype, torch.Size})


class UnsuitableError(Exception):
    """A pass through a module that cannot stand for others."""


class Weight(NamedTuple):
    """A parameter or buffer inside a block."""

    module: int  # its position among the modules of the block
    place: str
    name: str


class ResultMemory(NamedTuple):
    """Where a result is."""

    value: int  # of the block
    owner: int  # the value whose storage it shares; itself: it has one of its own
    offset: int  # in elements, from the start of what it shares
    nbytes: int  # of the storage


class KeptCast(NamedTuple):
    """Of a weight."""

    value: int  # of the block
    weight: int  # its position among the weights


@dataclass(slots=True)
class ModuleBlock:
    """The calls of one module. Its values are numbered from 0: the given tensors, its weights, then what is made in it."""

    weights: list[Weight]
    calls: list[tuple[Template, int, tuple[int, ...], tuple[int, ...]]]  # template, module, inputs, outputs
    outcomes: list[CallOutcome]
    types: list[int]  # of the values that are made
    deaths: list[tuple[int, list[int]]]  # after so many calls
    contractions: list[int]
    composites: set[str]
    asks_contiguity: bool
    asks_autocast: bool
    results: list[ResultMemory]
    form: Any  # of the result, tensors as their place among the results
    casts: list[KeptCast]  # that autocast keeps
    derived: SegmentTypes = field(default_factory=dict)  # in other passes

    def weights_of(self, modules: Sequence[nn.Module]) -> list[Tensor]:
        """The weights of such a block, of the modules of another one."""
        return [getattr(modules[weight.module], weight.place)[weight.name] for weight in self.weights]

    def is_like(self, other: ModuleBlock) -> bool:
        """Whether both are of the same pass."""
        return self._facts() == other._facts()

    def _facts(self) -> tuple[Any, ...]:
        outcomes = [(outcome.types, outcome.sources, outcome.nbytes, outcome.pattern) for outcome in self.outcomes]
        return (
            self.weights, self.calls, outcomes, self.types, self.deaths, self.contractions, self.composites,
            self.asks_contiguity, self.asks_autocast, self.results, self.form, self.casts,
        )  # fmt: skip


@dataclass(slots=True)
class OpenBlock:
    """A pass through a module that is being recorded."""

    calls: int  # before it
    values: int
    deaths: int  # noted before it at the same position
    composites: set[str]
    asks_contiguity: bool
    asks_autocast: bool
    casts: int  # of parameters, kept by then


class BlockCutter:
    """Cuts the calls of a module out of the graph that they were recorded into."""

    def __init__(
        self, graph: Graph, start: OpenBlock, outside: tuple[Sequence[int], Sequence[Tensor]], modules: Sequence[nn.Module]
    ) -> None:
        given, self._tensors = outside
        self._graph, self._start, self._modules = graph, start, modules
        self._numbers = {value: i for i, value in enumerate(given)}  # in the block, of values of the graph
        self.outside: list[int] = []  # values of the graph that the block takes, in its own order
        self._weights: list[Weight] = []
        self._weight_tensors: list[Tensor] = []
        self._own: dict[int, tuple[Weight, Tensor]] | None = None  # weights inside the module, by their value

    def block(self, out: Any, casts: Mapping[int, Tensor]) -> ModuleBlock:
        """The block of the calls since the start.

        Args:
            out: the result of the module.
            casts: that are kept, of parameters by their identity.

        Raises:
            UnsuitableError: if another module like this one might do something else.
        """
        graph, start = self._graph, self._start
        nodes, numbers = graph.calls[start.calls :], self._numbers
        if any(value >= start.values for value in list(graph.sources)[-1:]):
            raise UnsuitableError  # a tensor from elsewhere, or of an attribute
        for node in nodes:
            for value in node.inputs:
                if value < start.values and value not in numbers:
                    self._add_weight(value)
        made = range(start.values, len(graph.types))
        self.outside = list(numbers)
        numbers.update(zip(made, range(len(numbers), len(numbers) + len(made)), strict=True))
        places = {id(module): i for i, module in enumerate(self._modules)}
        deaths = self._deaths()
        results: list[Tensor] = []
        form = _form_of(out, results)
        memory = self._memory(results)
        kept_casts = self._kept_casts(list(casts.items())[start.casts :])
        kept = len(made) - sum([len(dead) for _, dead in deaths])
        left = {m.value for m in memory if m.value >= len(numbers) - len(made)} | {cast.value for cast in kept_casts}
        if kept != len(left):
            raise UnsuitableError  # something else than the result is kept somewhere
        try:
            calls = [
                (n.template, places[id(n.module)], tuple([numbers[v] for v in n.inputs]), tuple([numbers[v] for v in n.outputs]))
                for n in nodes
            ]
        except KeyError:
            raise UnsuitableError from None  # a module from elsewhere
        return ModuleBlock(
            self._weights, calls, graph.outcomes[start.calls :], graph.types[start.values :], deaths,
            [position - start.calls for position in sorted(graph.contractions) if position >= start.calls],
            graph.composites, graph.asks_contiguity, False, memory, form, kept_casts,
        )  # fmt: skip

    def _add_weight(self, value: int) -> None:
        if self._own is None:
            self._own = {}
            for i, module in enumerate(self._modules):
                for place in TENSOR_PLACES:
                    for name, tensor in getattr(module, place).items():
                        label = None if tensor is None else self._graph.label_at(id(tensor))
                        if label is not None:
                            self._own.setdefault(label, (Weight(i, place, name), tensor))
        if value not in self._own:
            raise UnsuitableError  # a tensor from elsewhere
        weight, tensor = self._own[value]
        self._numbers[value] = len(self._numbers)
        self._weights.append(weight)
        self._weight_tensors.append(tensor)

    def _deaths(self) -> list[tuple[int, list[int]]]:
        graph, start, numbers = self._graph, self._start, self._numbers
        found = []
        for position in range(start.calls, len(graph.calls) + 1):
            dead = graph.deaths.get(position, [])
            dead = dead[start.deaths :] if position == start.calls else dead
            if dead:
                if any(value < start.values for value in dead):
                    raise UnsuitableError  # a tensor that the caller has given up
                found.append((position - start.calls, [numbers[value] for value in dead]))
        return found

    def _kept_casts(self, casts: Sequence[tuple[int, Tensor]]) -> list[KeptCast]:
        places = {id(tensor): i for i, tensor in enumerate(self._weight_tensors)}
        found = []
        for identity, cast in casts:
            label = self._graph.label_at(id(cast))
            if identity not in places or label is None or label not in self._numbers:
                raise UnsuitableError
            found.append(KeptCast(self._numbers[label], places[identity]))
        return found

    def _memory(self, results: Sequence[Tensor]) -> list[ResultMemory]:
        owners: dict[int, tuple[int, Tensor]] = {}  # by storage
        for value, tensor in enumerate([*self._tensors, *self._weight_tensors]):
            owners.setdefault(tensor.untyped_storage()._cdata, (value, tensor))
        found = []
        for tensor in results:
            label = self._graph.label_at(id(tensor))
            if label is None or label not in self._numbers:
                raise UnsuitableError
            value, storage = self._numbers[label], tensor.untyped_storage()
            owner, shared = owners.setdefault(storage._cdata, (value, tensor))
            if shared.dtype != tensor.dtype:
                raise UnsuitableError
            offset = int(tensor.storage_offset() - (shared.storage_offset() if owner != value else 0))
            found.append(ResultMemory(value, owner, offset, storage.nbytes()))
        return found


class _Place(NamedTuple):
    """Of a tensor among the results of a block."""

    place: int


def _form_of(value: Any, tensors: list[Tensor]) -> Any:
    """A result with places instead of tensors, which are added to the list."""
    kind = type(value)
    if kind is Tensor or kind is nn.Parameter:
        if not value.is_meta:
            raise UnsuitableError
        tensors.append(value)
        return _Place(len(tensors) - 1)
    if kind in (tuple, list):
        return kind([_form_of(item, tensors) for item in value])
    if kind is dict:
        return {name: _form_of(item, tensors) for name, item in value.items()}
    if kind not in _PLAIN:
        raise UnsuitableError
    return value


def fill_form(form: Any, tensors: Sequence[Tensor]) -> Any:
    """A result of the form of a block's, with these tensors."""
    kind = type(form)
    if kind is _Place:
        return tensors[form.place]
    if kind in (tuple, list):
        return kind([fill_form(item, tensors) for item in form])
    if kind is dict:
        return {name: fill_form(item, tensors) for name, item in form.items()}
    return form
