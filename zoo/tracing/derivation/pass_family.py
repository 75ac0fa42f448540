"""The passes of one model that differ in precision and memory layout only, derived from a single one where that is exact.

The pass is recorded in float16, where a dtype among the arguments tells whether it was the model's own (float16) or a constant of
its code (float32). The shapes of a pass do not depend on precision or layout. Its dtypes and strides follow from those of the
weights and inputs, call by call, and autocast's policy says where casts are. What cannot be derived is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.meta.module_stack import Around
from zoo.operators.op_record import tensors_in
from zoo.recording.autocast import cuda_autocast
from zoo.recording.memo import Memo
from zoo.run_config import Precision
from zoo.tracing.derivation.block_recorder import BlockRecorder, BlockTable
from zoo.tracing.derivation.call_types import TypeTable
from zoo.tracing.derivation.casts import CastInsertion, NotDerivableError, check_castable
from zoo.tracing.derivation.derived_pass import DerivedPass, DerivedPasses
from zoo.tracing.derivation.graph import Graph
from zoo.tracing.derivation.memory_use import MemoryTable
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import Arguments, PassRunner, enlarged

DERIVABLE = (Precision.FP32, Precision.FP16, Precision.AMP)
"""Precisions that can be derived; others are run."""

FAMILY_BATCH = 109
"""Images in the pass that others are derived from: a prime, so that few sizes are a multiple of it but those that grow with the batch."""


class Known(NamedTuple):
    """What is remembered from one pass to the next."""

    memo: Memo  # calls
    types: TypeTable  # and templates
    blocks: BlockTable

    @classmethod
    def nothing(cls) -> Known:
        """At the beginning."""
        return cls(Memo(), TypeTable(), BlockTable())


class PassFamily:
    """The passes of one model over one input that differ in precision and layout only.

    Args:
        model: that the passes are of.
        given: positional and keyword arguments of `forward`.
        batch: images in it.
        known: from other passes.

    Raises:
        Exception: whatever the model raises in float16.
    """

    def __init__(self, model: PassModel, given: Arguments, batch: int, known: Known) -> None:
        self._model, self._given, (self._memo, self._table, self._blocks) = model, given, known
        self._runs: dict[Precision, DerivedPasses] = {}
        self.batch = batch
        runner = PassRunner(model, Precision.FP16, "nchw", self._memo)
        self._originals = [*model.parts.params, *model.parts.buffers, *tensors_in(given)]
        self._in_float16, self._memory = self._record(runner)

    def derive(self, precision: Precision, layout: str) -> DerivedPass:
        """One pass.

        Raises:
            NotDerivableError: if it is not certain, so that it has to be run.
        """
        if precision not in DERIVABLE:
            raise NotDerivableError(f"passes in {precision} are run")
        if self._in_float16.depends_on_values and (precision, layout) != (Precision.FP16, "nchw"):
            raise NotDerivableError("a mask with values decides on a shape")
        if self._in_float16.asks_contiguity and layout != "nchw":
            raise NotDerivableError("the model asks for the layout of a tensor")
        run = self._runs.get(precision) or self._runs.setdefault(precision, self._start(precision))
        return run.in_layout(layout)

    def _start(self, precision: Precision) -> DerivedPasses:
        """The passes in one precision: those under autocast from one of their own, where the casts are not certain."""
        graph = self._in_float16
        if precision is Precision.FP16:
            return DerivedPasses(graph.program(torch.float16), self._table, _source_types(graph), graph.outcomes, self._memory)
        types = self._full_types()
        if precision is Precision.FP32:
            return DerivedPasses(graph.program(torch.float32), self._table, types, (), self._memory)
        autocast, memory = cuda_autocast(), MemoryTable()
        try:
            check_castable(graph, autocast)
            program, outcomes = CastInsertion(graph, types, autocast, self._kept_parameters()).program()
        except NotDerivableError:
            graph, memory = self._record(PassRunner(self._model, precision, "nchw", self._memo))
            program, outcomes = graph.program(torch.float16), graph.outcomes
            types = _source_types(graph)
        return DerivedPasses(program, self._table, types, outcomes, memory)

    def _record(self, runner: PassRunner) -> tuple[Graph, MemoryTable]:
        """A pass, and what is known of the memory that it uses."""
        graph, memory = self._run(runner, self._given), MemoryTable()
        graph.asks_autocast = runner.state.was_consulted
        larger = enlarged(self._given, self.batch)
        if larger is not None and _may_grow(graph, memory, self.batch):
            memory = MemoryTable()
            with contextlib.suppress(Exception):  # a model that takes no larger batch: its constants are those of this one
                _note_growth(graph, self._run(runner, larger))
        return graph, memory

    def _run(self, runner: PassRunner, given: Arguments) -> Graph:
        """A pass, in which what is known of blocks is repeated."""
        while True:
            graph = Graph(self._table)
            runner.state.was_consulted = False
            recorder = BlockRecorder(graph, self._blocks, runner, self._blocks.structures.of_model(self._model))
            try:
                changed = _run(runner, given, graph, recorder.call)
            except BaseException:
                recorder.drop()
                raise
            if recorder.accepts(changed):
                return graph

    def _kept_parameters(self) -> set[int]:
        """Sources that autocast casts only once a pass."""
        return {
            value
            for value, tensor in zip(self._in_float16.weights, self._originals, strict=False)
            if isinstance(tensor, nn.Parameter) and tensor.requires_grad and tensor.dtype == torch.float32
        }

    def _full_types(self) -> list[int]:
        """The type of each source in float32, in which the model's own dtypes are what they were before the pass; of other values -1."""
        graph, table, types = self._in_float16, self._table, _source_types(self._in_float16)
        for value, original in zip((*graph.weights, *graph.inputs), self._originals, strict=True):
            if original.is_floating_point():
                types[value] = table.in_dtype(types[value], original.dtype)
        for value in graph.constants():
            if table.types[types[value]][2] == torch.float16:  # it was given the dtype of some tensor
                types[value] = table.in_dtype(types[value], torch.float32)
        return types


def _source_types(graph: Graph) -> list[int]:
    """The type of each source as it was recorded; of other values -1."""
    types = [-1] * len(graph.types)
    for value, source in graph.sources.items():
        types[value] = source.type
    return types


def _run(runner: PassRunner, given: Arguments, graph: Graph, around: Around) -> set[nn.Module]:
    def begin(weights: Sequence[Tensor], inputs: Iterable[Tensor]) -> None:
        graph.weights = graph.add_weights(weights)
        graph.inputs = [graph.add_source(tensor) for tensor in inputs]

    with _dispatching_contiguous(graph):
        return runner.record_into(graph, given, begin, around)


@contextlib.contextmanager
def _dispatching_contiguous(graph: Graph) -> Iterator[None]:
    """Sends `contiguous` to the dispatcher where it has nothing to do in this layout, and notes if the model asks for a layout.

    Kernels ask too, but not inside of the recorder, which is the innermost of the dispatch modes.
    """
    outer_modes = torch._C._len_torch_dispatch_stack()

    def contiguous(self: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
        result: Tensor = torch.ops.aten.contiguous.default(self, memory_format=memory_format)
        return result

    def is_contiguous(self: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> bool:
        if torch._C._len_torch_dispatch_stack() > outer_modes:
            graph.asks_contiguity = True
        return torch._C.TensorBase.is_contiguous(self, memory_format=memory_format)

    torch.Tensor.contiguous, torch.Tensor.is_contiguous = contiguous, is_contiguous  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del torch.Tensor.contiguous, torch.Tensor.is_contiguous


def _may_grow(graph: Graph, known: MemoryTable, batch: int) -> bool:
    """Whether some constant made in the pass could have a copy for each image."""
    memory, types = known.of_pass(graph.program(torch.float16), graph.outcomes), graph.table.types
    return any(
        role == "constant" and any(size % batch == 0 for size in types[kind][0])
        for position, roles in zip(memory.calls, memory.roles, strict=True)
        for kind, role in zip(graph.outcomes[position].types, roles.writes, strict=True)
    )


def _note_growth(graph: Graph, larger: Graph) -> None:
    """Notes which values have another shape in a larger batch."""
    if [node.template.operator.name for node in graph.calls] != [node.template.operator.name for node in larger.calls]:
        return  # the batch decides what the model does
    types = graph.table.types
    for node, outcome, other in zip(graph.calls, graph.outcomes, larger.outcomes, strict=True):
        for value, kind, larger_kind in zip(node.outputs, outcome.types, other.types, strict=True):
            if types[kind][0] != types[larger_kind][0]:
                graph.growing.add(value)
