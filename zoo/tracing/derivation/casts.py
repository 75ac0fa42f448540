"""The casts of autocast, put into a pass that was recorded without it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from zoo.operators.operator_kinds import MATRIX_KINDS
from zoo.operators.run_operator import is_composite
from zoo.recording.autocast import Autocast, Policy
from zoo.tracing.derivation.call_types import CallOutcome, Template, TypeTable
from zoo.tracing.derivation.graph import Graph, Node, Program
from zoo.tracing.derivation.tensor_types import TensorType


class NotDerivableError(Exception):
    """The pass in one mode cannot be derived from that in another: it has to be run."""


def check_castable(graph: Graph, autocast: Autocast) -> None:
    """Refuses graphs whose pass would be another one under autocast.

    Raises:
        NotDerivableError: if it cannot be derived.
    """
    if graph.asks_autocast:
        raise NotDerivableError("the model asks for the state of autocast")
    types = graph.table.types
    if any(types[graph.sources[value].type][2] == torch.float16 for value in graph.constants()):
        raise NotDerivableError("a constant is given the dtype of some tensor")
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


class CastInsertion:
    """A pass under autocast.

    Args:
        graph: of a pass without autocast, in float16.
        types: of each source, in float32.
        autocast: to be applied.
        parameters: sources that autocast casts only once a pass.
    """

    def __init__(self, graph: Graph, types: Sequence[int], autocast: Autocast, parameters: Collection[int]) -> None:
        self._graph, self._table, self._autocast, self._parameters = graph, graph.table, autocast, parameters
        self._types = list(types)  # of each value
        self._calls: list[Node] = []
        self._outcomes: list[CallOutcome] = []
        self._deaths: dict[int, list[int]] = {}
        self._growing = set(graph.growing)
        self._casts: dict[int, int] = {}  # of parameters: the value of their cast

    def program(self) -> tuple[Program, list[CallOutcome]]:
        """The pass with its casts, and what each call does.

        Raises:
            NotDerivableError: if a result is not certain.
        """
        graph, contractions = self._graph, set()
        for position, node in enumerate(graph.calls):
            self._deaths.setdefault(len(self._calls), []).extend(graph.deaths.get(position, ()))
            self._add(node)
            if position in graph.contractions:
                contractions.add(len(self._calls) - 1)
        self._deaths.setdefault(len(self._calls), []).extend(graph.deaths.get(len(graph.calls), ()))
        program = graph.program(torch.float32)._replace(
            calls=self._calls,
            deaths=self._deaths,
            values=len(self._types),
            growing=self._growing,
            contractions=contractions,
            segments=(),
        )
        return program, self._outcomes

    def _add(self, node: Node) -> None:
        template, inputs = node.template, node.inputs
        policy = self._autocast.policies.get(template.operator.func.name())
        temporary: list[int] = []
        if policy is Policy.FULL_RESULT:
            template = self._with_full_result(template, inputs)
        elif policy is not None:
            inputs = self._cast_inputs(policy, node, temporary)
        self._call(Node(template, node.module, inputs, node.outputs))
        if temporary:
            self._deaths.setdefault(len(self._calls), []).extend(temporary)

    def _call(self, node: Node) -> None:
        outcome = outcome_of(self._table, node.template, tuple([self._types[value] for value in node.inputs]))
        for value, kind in zip(node.outputs, outcome.types, strict=True):
            self._types[value] = kind
        self._calls.append(node)
        self._outcomes.append(outcome)

    def _cast_inputs(self, policy: Policy, node: Node, temporary: list[int]) -> tuple[int, ...]:
        """Casts what autocast casts, the last argument first; `temporary` gets the casts that die after the call."""
        kinds = [self._table.types[self._types[value]] for value in node.inputs]
        dtype = torch.float32 if policy is Policy.FULL else self._autocast.dtype
        if policy is Policy.WIDEST and any(_is_eligible(kind) and kind[2] == torch.float32 for kind in kinds):
            dtype = torch.float32
        inputs = list(node.inputs)
        for i in range(len(inputs) - 1, -1, -1):
            value = inputs[i]
            if kinds[i][2] == dtype or not _is_eligible(kinds[i]):
                continue
            is_kept = value in self._parameters and dtype == self._autocast.dtype
            inputs[i] = cast = self._casts.get(value, -1) if is_kept else -1
            if cast < 0:
                inputs[i] = cast = self._cast(node, value, dtype)
                if is_kept:
                    self._casts[value] = cast
                else:
                    temporary.append(cast)
        return tuple(inputs)

    def _cast(self, node: Node, value: int, dtype: torch.dtype) -> int:
        """The cast of a value, which is a new one."""
        cast = len(self._types)
        self._types.append(-1)
        if value in self._growing:
            self._growing.add(cast)
        self._call(Node(self._table.cast(dtype), node.module, (value,), (cast,)))
        return cast

    def _with_full_result(self, template: Template, inputs: Sequence[int]) -> Template:
        """The same call with `dtype=torch.float32`, unless it is given one."""
        args, kwargs = template.args, template.kwargs
        position = next(i for i, a in enumerate(template.operator.func._schema.arguments) if a.name == "dtype")
        if not _is_eligible(self._table.types[self._types[inputs[0]]]) or kwargs.get("dtype") is not None:
            return template
        if position >= len(args):
            return self._table.template(template.operator, args, {**kwargs, "dtype": torch.float32})
        if args[position] is not None:
            return template
        return self._table.template(template.operator, (*args[:position], torch.float32, *args[position + 1 :]), kwargs)


def outcome_of(table: TypeTable, template: Template, types: tuple[int, ...]) -> CallOutcome:
    """What a call does with these types.

    Raises:
        NotDerivableError: if torch refuses such a call.
    """
    try:
        return table.outcome(template, types)
    except Exception as error:
        raise NotDerivableError(f"{template.operator.name}: {error}") from error


def _is_eligible(kind: TensorType) -> bool:
    """What autocast touches: floating-point tensors on its device, except float64; numbers on the CPU are not on its device."""
    shape, _, dtype, is_meta = kind
    return dtype.is_floating_point and dtype != torch.float64 and (is_meta or bool(shape))
