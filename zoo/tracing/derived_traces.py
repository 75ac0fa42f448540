"""Traces of one model in several precisions and layouts, from one pass where that is exact."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from zoo.meta.module_stack import list_parts
from zoo.operators.op_record import tensors_in
from zoo.recording.autocast import cuda_autocast
from zoo.recording.memo import Memo
from zoo.run_config import Precision
from zoo.traces import TRACE_BATCH, Trace
from zoo.tracing.derivation import Derivation, NotDerivableError, check_derivable
from zoo.tracing.graph import Graph, TypeTable
from zoo.tracing.ordered_calls import OrderedCalls
from zoo.tracing.trace import Arguments, PassRunner, enlarged, mark_repeated, may_repeat, to_trace

DERIVABLE = (Precision.FP32, Precision.FP16, Precision.AMP)
"""Precisions that can be derived; others are run."""


class PassFamily:
    """The passes of one model over one input that differ in precision and layout only.

    Args:
        model: in evaluation mode; it is not changed.
        inputs: positional arguments of `forward`, for `TRACE_BATCH` images.
        kwargs: its keyword arguments.
        memo: calls remembered from other passes.
        table: types and templates met in other passes.

    Raises:
        Exception: whatever the model raises in float16.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[Any], kwargs: Mapping[str, Any], memo: Memo, table: TypeTable) -> None:
        runner = PassRunner(model, Precision.FP16, "nchw", memo)
        given = (tuple(inputs), dict(kwargs))
        parts = list_parts(model)
        self._weights: tuple[Tensor, ...] = (*parts.params, *parts.buffers)
        self._inputs = list(tensors_in(given))
        self._graph = _record(runner, given, table)
        self._asks_autocast = runner.state.was_consulted
        self.names = runner.names
        base = self._derive(Precision.FP16, "nchw")
        if may_repeat(base.recorded, TRACE_BATCH):
            with contextlib.suppress(Exception):  # a model that takes no larger batch: its constants are those of this one
                _note_growth(self._graph, _record(runner, enlarged(given, TRACE_BATCH), table))

    def derive(self, precision: Precision, layout: str) -> OrderedCalls:
        """The calls of one pass.

        Raises:
            NotDerivableError: if they are not certain, so that the pass has to be run.
        """
        if precision not in DERIVABLE:
            raise NotDerivableError(f"passes in {precision} are run")
        derivation = self._derive(precision, layout)
        mark_repeated(derivation.recorded, derivation.growing)
        return derivation.recorded

    def trace(self, precision: Precision, layout: str) -> Trace:
        """The same as a trace.

        Raises:
            NotDerivableError: if it is not certain.
        """
        return to_trace(self.derive(precision, layout), self.names, precision, layout, TRACE_BATCH)

    def _derive(self, precision: Precision, layout: str) -> Derivation:
        graph = self._graph
        autocast = cuda_autocast() if precision.is_autocast else None
        if autocast and self._asks_autocast:
            raise NotDerivableError("the model asks for the state of autocast")
        if graph.asks_contiguity and layout != "nchw":
            raise NotDerivableError("the model asks for the layout of a tensor")
        check_derivable(graph, autocast)
        dtype = torch.float16 if precision is Precision.FP16 else torch.float32
        originals = {**dict(zip(graph.weights, self._weights, strict=True)), **dict(zip(graph.inputs, self._inputs, strict=True))}
        types = {
            value: self._type_of_source(originals[value], graph.types[value], precision, layout)
            if value in originals
            else graph.types[value]
            for value in graph.sources
        }
        parameters = {
            value
            for value, tensor in zip(graph.weights, self._weights, strict=True)
            if isinstance(tensor, nn.Parameter) and tensor.requires_grad and tensor.dtype == torch.float32
        }
        derivation = Derivation(graph, types, dtype, autocast, parameters)
        derivation.run()
        return derivation

    def _type_of_source(self, original: Tensor, number: int, precision: Precision, layout: str) -> int:
        """That of a weight or an input in a pass."""
        table = self._graph.table
        shape, strides, dtype, is_meta = table.types[number]
        if original.is_floating_point() and precision is not Precision.FP16:
            dtype = original.dtype
        if layout == "nhwc" and len(shape) == 4 and is_meta:
            strides = _channels_last_strides(shape)
        return table.number((shape, strides, dtype, is_meta))


@cache
def _channels_last_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return torch.empty(shape, device="meta").to(memory_format=torch.channels_last).stride()


def _record(runner: PassRunner, given: Arguments, table: TypeTable) -> Graph:
    graph = Graph(table)

    def begin(weights: Sequence[Tensor], inputs: Iterable[Tensor]) -> None:
        graph.weights = [graph.add_source(weight) for weight in weights]
        graph.inputs = [graph.add_source(tensor) for tensor in inputs]

    with _dispatching_contiguous(graph):
        runner.record_into(graph, given, begin)
    return graph


@contextlib.contextmanager
def _dispatching_contiguous(graph: Graph) -> Iterator[None]:
    """Sends `contiguous` to the dispatcher where it has nothing to do in this layout, and notes who asks for a layout."""

    def contiguous(self: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
        result: Tensor = torch.ops.aten.contiguous.default(self, memory_format=memory_format)
        return result

    def is_contiguous(self: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> bool:
        if torch._C._len_torch_dispatch_stack():
            graph.asks_contiguity = True
        return torch._C.TensorBase.is_contiguous(self, memory_format=memory_format)

    torch.Tensor.contiguous, torch.Tensor.is_contiguous = contiguous, is_contiguous  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del torch.Tensor.contiguous, torch.Tensor.is_contiguous


def _note_growth(graph: Graph, larger: Graph) -> None:
    """Notes which values have another shape in a larger batch."""
    if [node.template.operator.name for node in graph.calls] != [node.template.operator.name for node in larger.calls]:
        return  # the batch decides what the model does
    types = graph.table.types
    for node, other in zip(graph.calls, larger.calls, strict=True):
        for value, kind, larger_kind in zip(node.outputs, node.outcome.types, other.outcome.types, strict=True):
            if types[kind][0] != types[larger_kind][0]:
                graph.growing.add(value)
