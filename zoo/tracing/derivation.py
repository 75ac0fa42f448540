"""Deriving the calls of a pass in one precision and layout from the graph of a pass in another.

The graph is recorded in float16, where a dtype among the arguments tells whether it was the model's own (float16) or a constant of
its code (float32). The shapes of a pass do not depend on precision or layout. Its dtypes and strides follow from those of the
weights and inputs, call by call, and autocast's policy says where casts are. What cannot be derived is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch.utils import _pytree as pytree

from zoo.operators.operator_kinds import MATRIX_KINDS
from zoo.operators.run_operator import is_composite
from zoo.recording.autocast import Autocast, Policy
from zoo.tracing.graph import Graph, Node, Outcome, Template, TensorType
from zoo.tracing.ordered_calls import OrderedCalls

_aten = torch.ops.aten
_DEPEND_ON_DTYPE = frozenset({_aten.scaled_dot_product_attention})
"""Operators whose kernel, and so the layout of the result, depends on the dtype."""


class NotDerivableError(Exception):
    """The calls cannot be derived from the graph: the pass has to be run."""


def check_derivable(graph: Graph, autocast: Autocast | None) -> None:
    """Refuses graphs whose pass would be another one under autocast.

    Raises:
        NotDerivableError: if it cannot be derived.
    """
    if autocast is None:
        return
    for name in graph.composites:
        if name in autocast.policies:
            raise NotDerivableError(f"autocast lists the composite operator {name}")
    for template in {id(node.template): node.template for node in graph.calls}.values():
        operator = template.operator
        policy = autocast.policies.get(operator.func.name())
        if policy in (Policy.FULL_NORM, Policy.FULL_AND_BACK):
            raise NotDerivableError(f"autocast replaces {operator.name}")
        if policy is None and operator.operation.kind in MATRIX_KINDS and is_composite(operator.func):
            raise NotDerivableError(f"autocast looks into {operator.name}")
        if torch.float16 in template.dtypes:
            raise NotDerivableError(f"{operator.name} is given the dtype of some tensor")


class Derivation:
    """One derived pass.

    Args:
        graph: of a pass in float16.
        source_types: the type of each source of the graph, in the precision and layout that is derived.
        dtype: that float16 among arguments becomes.
        autocast: applied to all calls.
        parameters: sources that autocast casts only once a pass.
    """

    def __init__(
        self,
        graph: Graph,
        source_types: Mapping[int, int],
        dtype: torch.dtype,
        autocast: Autocast | None,
        parameters: Collection[int],
    ) -> None:
        self._graph, self._table = graph, graph.table
        self._dtype, self._autocast, self._parameters = dtype, autocast, parameters
        self._types: list[int] = [-1] * len(graph.types)  # of each value
        self._storages: list[int] = [-1] * len(graph.types)  # of each value
        self._users: list[int] = []  # of each storage, how many values alive share it
        self._sizes: list[int] = []  # of each storage, its bytes
        self._numbers: dict[int, int] = {}  # of storages that calls read or write
        self._casts: dict[int, tuple[int, int]] = {}  # type and storage of the casts of parameters
        self.recorded = OrderedCalls()
        self.growing: list[list[bool]] = []  # for each result of each call, whether its shape grows with the batch
        by_address: dict[int, int] = {}
        for value, (address, nbytes) in graph.sources.items():
            self._types[value] = source_types[value]
            if address not in by_address:
                by_address[address] = self._new_storage(self._bytes_of_source(value, nbytes))
            self._storages[value] = by_address[address]
            self._users[by_address[address]] += 1

    def _bytes_of_source(self, value: int, nbytes: int) -> int:
        """Of its storage, in the dtype that is derived."""
        old, new = (self._table.types[types[value]] for types in (self._graph.types, self._types))
        if old[2] == new[2]:
            return nbytes
        if nbytes != math.prod(old[0]) * old[2].itemsize:
            raise NotDerivableError("a weight is part of a larger tensor")
        return math.prod(new[0]) * new[2].itemsize

    def run(self) -> OrderedCalls:
        """All calls, with the storages they read and write.

        Raises:
            NotDerivableError: if a result is not certain.
        """
        graph = self._graph
        deaths: dict[int, list[int]] = {}
        for value, death in enumerate(graph.deaths):
            if death is not None:
                deaths.setdefault(death, []).append(value)
        for value in graph.weights:
            self._number(self._storages[value], "weight", -1)
        for value in graph.inputs:
            self._number(self._storages[value], "input", -1)
        for position, node in enumerate(graph.calls):
            for value in deaths.get(position, ()):
                self._release(self._storages[value])
            self._derive(node, is_contraction=position in graph.contractions)
        for value in deaths.get(len(graph.calls), ()):
            self._release(self._storages[value])
        return self.recorded

    def _derive(self, node: Node, *, is_contraction: bool) -> None:
        template = node.template if self._dtype == torch.float16 else self._with_dtype(node.template)
        types = [self._types[value] for value in node.inputs]
        storages = [self._storages[value] for value in node.inputs]
        policy = self._autocast.policies.get(template.operator.func.name()) if self._autocast else None
        temporary = []
        if policy is Policy.FULL_RESULT:
            template = self._with_full_result(template, types)
        elif policy is not None:
            temporary = self._cast_inputs(policy, node, types, storages)
        outcome = self._outcome(template, node, tuple(types))
        for value, kind, source, nbytes in zip(node.outputs, outcome.types, outcome.sources, outcome.nbytes, strict=True):
            storage = self._new_storage(nbytes) if source < 0 else storages[source]
            storages.append(storage)
            if self._storages[value] < 0:
                self._storages[value] = storage
                self._users[storage] += 1
            self._types[value] = kind
        self._add(outcome, node, storages, [value in self._graph.growing for value in node.outputs])
        if is_contraction:
            self.recorded.mark_contraction(len(self.recorded.calls) - 1)
        for storage in temporary:
            self._release(storage)

    def _add(self, outcome: Outcome, node: Node, storages: list[int], growing: list[bool]) -> None:
        results = storages[len(storages) - len(outcome.types) :]
        if self.recorded.add_call(outcome.call, node.module, storages, results, self._number):
            self.growing.append(growing)

    def _cast_inputs(self, policy: Policy, node: Node, types: list[int], storages: list[int]) -> list[int]:
        """Casts what autocast casts, the last argument first; gives the storages of casts that die after the call."""
        assert self._autocast is not None
        kinds = [self._table.types[number] for number in types]
        if policy is Policy.LOWER:
            dtype = self._autocast.dtype
        elif policy is Policy.FULL:
            dtype = torch.float32
        else:
            is_full = any(_is_eligible(kind) and kind[2] == torch.float32 for kind in kinds)
            dtype = torch.float32 if is_full else self._autocast.dtype
        temporary = []
        for i in range(len(types) - 1, -1, -1):
            if kinds[i][2] == dtype or not _is_eligible(kinds[i]):
                continue
            value = node.inputs[i]
            is_kept = value in self._parameters and dtype == self._autocast.dtype
            if is_kept and value in self._casts:
                types[i], storages[i] = self._casts[value]
                continue
            types[i], storages[i] = self._cast(node, value, types[i], storages[i], dtype)
            if is_kept:
                self._casts[value] = types[i], storages[i]
            else:
                temporary.append(storages[i])
        return temporary

    def _cast(self, node: Node, value: int, kind: int, storage: int, dtype: torch.dtype) -> tuple[int, int]:
        """Type and storage of the cast of a value."""
        template = self._table.cast(dtype)
        outcome = template.outcomes.get((kind,)) or self._infer(template, (kind,))
        cast = self._new_storage(outcome.nbytes[0])
        self._users[cast] += 1
        self._add(outcome, node, [storage, cast], [value in self._graph.growing])
        return outcome.types[0], cast

    def _outcome(self, template: Template, node: Node, types: tuple[int, ...]) -> Outcome:
        known = template.outcomes.get(types)
        if known is not None:
            return known
        if not template.dtypes and template.operator.func._overloadpacket not in _DEPEND_ON_DTYPE:
            renamed = tuple([self._table.with_dtype(number, torch.float16, torch.float32) for number in node.types])
            if renamed == types:
                known = template.outcomes[types] = self._renamed(node.outcome)
                return known
        return self._infer(template, types)

    def _renamed(self, outcome: Outcome) -> Outcome:
        """The same with float32 in place of float16."""
        table = self._table
        types = tuple([table.with_dtype(number, torch.float16, torch.float32) for number in outcome.types])
        sizes = [
            nbytes * table.types[new][2].itemsize // table.types[old][2].itemsize
            for nbytes, old, new in zip(outcome.nbytes, outcome.types, types, strict=True)
        ]
        return outcome._replace(types=types, nbytes=tuple(sizes), call=outcome.call.with_dtype("float16", "float32"))

    def _infer(self, template: Template, types: tuple[int, ...]) -> Outcome:
        try:
            outcome = template.outcomes[types] = self._table.infer(template, types)
        except Exception as error:
            raise NotDerivableError(f"{template.operator.name}: {error}") from error
        return outcome

    def _with_dtype(self, template: Template) -> Template:
        """The same call with the model's own dtype among its arguments."""
        if torch.float16 not in template.dtypes:
            return template
        if self._dtype not in template.variants:
            args, kwargs = pytree.tree_map_only(torch.dtype, self._replace_dtype, (template.args, template.kwargs))
            template.variants[self._dtype] = self._table.template(template.operator, args, kwargs)
        return template.variants[self._dtype]

    def _replace_dtype(self, dtype: torch.dtype) -> torch.dtype:
        return self._dtype if dtype == torch.float16 else dtype

    def _with_full_result(self, template: Template, types: Sequence[int]) -> Template:
        """The same call with `dtype=torch.float32`, unless it is given one."""
        args, kwargs = template.args, template.kwargs
        position = next(i for i, a in enumerate(template.operator.func._schema.arguments) if a.name == "dtype")
        if not _is_eligible(self._table.types[types[0]]) or kwargs.get("dtype") is not None:
            return template
        if position >= len(args):
            return self._table.template(template.operator, args, {**kwargs, "dtype": torch.float32})
        if args[position] is not None:
            return template
        return self._table.template(template.operator, (*args[:position], torch.float32, *args[position + 1 :]), kwargs)

    def _new_storage(self, nbytes: int) -> int:
        self._users.append(0)
        self._sizes.append(nbytes)
        return len(self._users) - 1

    def _number(self, storage: int, role: str, alloc_at: int) -> int:
        known = self._numbers.get(storage)
        if known is None:
            known = self._numbers[storage] = self.recorded.storages.append(self._sizes[storage], role, alloc_at)
        return known

    def _release(self, storage: int) -> None:
        """One value less that shares a storage."""
        self._users[storage] -= 1
        if not self._users[storage] and storage in self._numbers:
            self.recorded.storages.on_death(self._numbers[storage])


def _is_eligible(kind: TensorType) -> bool:
    """What autocast touches: floating-point tensors on its device, except float64; numbers on the CPU are not on its device."""
    shape, _, dtype, is_meta = kind
    return dtype.is_floating_point and dtype != torch.float64 and (is_meta or bool(shape))
