"""Modules whose calls are known from an equal module: in place of a pass through them, their calls are put into the graph.

Networks repeat their blocks, within one model and from one to the next. What a module of torch, torchvision or timm does in a pass
follows from its structure (`zoo.tracing.derivation.structure`) and from what it is given. So the second pass through equal modules keeps its
part of the graph as a `ModuleBlock`, and later equal modules that are given equal arguments repeat that. Left out are modules that
change themselves or others, take tensors that are neither given to them nor their own, or leave any behind but their result. Of each
class one block is recorded again and compared before any is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.meta.new_tensors import META
from zoo.recording.memo import signature
from zoo.tracing.derivation.block import BlockCutter, ModuleBlock, OpenBlock, UnsuitableError, fill_form
from zoo.tracing.derivation.graph import Graph, Node, Segment
from zoo.tracing.derivation.structure import Structures, inner_modules
from zoo.tracing.trace import PassRunner

_TENSORS = frozenset({Tensor, nn.Parameter})
_CONSTANTS = frozenset({int, float, bool, str, type(None), torch.dtype, torch.Size})


class BlockTable:
    """Blocks of the passes so far, shared by all graphs of one `TypeTable`."""

    def __init__(self) -> None:
        self.structures = Structures()
        self.met: set[Any] = set()  # all that is known of a module that was called once
        self.blocks: dict[Any, ModuleBlock] = {}  # of modules that were called again
        self.trusted: dict[type, bool] = {}  # whether a block of the class was found to be repeatable


class BlockRecorder:
    """Repeats or records the blocks of one pass.

    Args:
        graph: of the pass.
        table: of blocks.
        runner: of the pass.
        structures: of the modules of the model (see `Structures.of_model`).
    """

    def __init__(self, graph: Graph, table: BlockTable, runner: PassRunner, structures: Mapping[int, int]) -> None:
        self._graph, self._table, self._state, self._casts = graph, table, runner.state, runner.casts
        self._structures = structures
        self._mode = runner.dtype, runner.is_channels_last, runner.autocast and runner.autocast.device_type
        self._modules: dict[int, list[nn.Module]] = {}
        self._recorded: list[Any] = []  # keys of the blocks that this pass has added
        self._judged: list[type] = []  # classes that it has compared

    def call(self, run: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any) -> Any:
        """The call of a module: repeated from the table, or run."""
        structure = self._structures.get(id(module)) if module._modules else None
        tensors: list[Tensor] = []
        may_repeat = structure is not None and self._table.trusted.get(type(module)) is not False
        if not may_repeat or not all(map(_is_plain, (*args, *kwargs.values()))):
            return run(module, *args, **kwargs)  # it may change a list, and objects would be kept alive
        try:
            state = self._state.enabled, self._state.dtype, self._state.keeps_casts
            key: Any = (structure, self._mode, state, signature(args, kwargs, tensors))
            known = self._table.blocks.get(key)
        except (TypeError, RuntimeError):  # an argument that cannot be hashed, or a sparse tensor
            return run(module, *args, **kwargs)
        if any(type(tensor) not in _TENSORS or not tensor.is_meta for tensor in tensors):
            return run(module, *args, **kwargs)
        given = [self._graph.add_source(tensor) for tensor in tensors]
        if len(given) > 1 and len(set(given)) < len(given):
            return run(module, *args, **kwargs)
        if key not in self._table.met:
            self._table.met.add(key)  # many are met only once, and need not be kept
            return run(module, *args, **kwargs)
        if known is not None and type(module) in self._table.trusted:
            weights = known.weights_of(self._inner(module))
            if any(id(weights[cast.weight]) in self._casts for cast in known.casts):
                return run(module, *args, **kwargs)  # it has run before in this pass
            return self._repeat(known, module, (tensors, weights), given)
        return self._record(run, module, args, kwargs, (key, known, given, tensors))

    def accepts(self, changed: Iterable[nn.Module]) -> bool:
        """Whether the pass is what it would be without blocks. If not, what it has recorded is dropped.

        Args:
            changed: modules that the pass has changed.
        """
        changing = set(map(type, changed)) - self._table.structures.changing
        self._table.structures.changing |= changing
        if changing:
            self.drop()
        return not changing

    def drop(self) -> None:
        """Forgets what the pass has recorded."""
        for key in self._recorded:
            self._table.blocks.pop(key, None)
        for kind in self._judged:
            self._table.trusted.pop(kind, None)

    def _inner(self, module: nn.Module) -> list[nn.Module]:
        known = self._modules.get(id(module))
        if known is None:
            known = self._modules[id(module)] = inner_modules(module)
        return known

    def _record(self, run: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any, found: Any) -> Any:
        key, known, given, tensors = found
        graph = self._graph
        noted = graph.deaths.get(len(graph.calls), ())
        start = OpenBlock(
            len(graph.calls), len(graph.types), len(noted), graph.composites, graph.asks_contiguity, self._state.was_consulted,
            len(self._casts),
        )  # fmt: skip
        graph.composites, graph.asks_contiguity, self._state.was_consulted = set(), False, False
        before = [graph.types[value] for value in given]
        try:
            out = run(module, *args, **kwargs)
            try:
                if before != [graph.types[value] for value in given]:
                    raise UnsuitableError  # a view made in place
                cut = BlockCutter(graph, start, (given, tensors), self._inner(module))
                block = cut.block(out, self._casts)
                block.asks_autocast = self._state.was_consulted
            except (UnsuitableError, TypeError, RuntimeError):
                return out
            while graph.segments and graph.segments[-1].start >= start.calls:
                graph.segments.pop()  # it is inside
            graph.segments.append(
                Segment(start.calls, len(graph.calls), cut.outside, start.values, len(block.types), block.derived)
            )
            if known is not None:
                self._table.trusted[type(module)] = block.is_like(known)
                self._judged.append(type(module))
            else:
                self._table.blocks[key] = block
                self._recorded.append(key)
            return out
        finally:
            graph.composites = start.composites | graph.composites
            graph.asks_contiguity |= start.asks_contiguity
            self._state.was_consulted |= start.asks_autocast

    def _repeat(
        self, block: ModuleBlock, module: nn.Module, outside: tuple[list[Tensor], list[Tensor]], given: Sequence[int]
    ) -> Any:
        graph, modules = self._graph, self._inner(module)
        tensors, weights = outside
        position = len(graph.calls)
        outer = [*given, *[graph.add_source(weight) for weight in weights]]
        first = len(graph.types)
        values = [*outer, *range(first, first + len(block.types))]
        graph.types += block.types
        graph.calls += [
            Node(template, modules[place], tuple([values[i] for i in inputs]), tuple([values[i] for i in outputs]))
            for template, place, inputs, outputs in block.calls
        ]
        graph.outcomes += block.outcomes
        graph.segments.append(Segment(position, len(graph.calls), outer, first, len(block.types), block.derived))
        for after, dead in block.deaths:
            graph.deaths.setdefault(position + after, []).extend([values[i] for i in dead])
        graph.contractions.update([position + i for i in block.contractions])
        graph.composites |= block.composites
        graph.asks_contiguity |= block.asks_contiguity
        self._state.was_consulted |= block.asks_autocast
        return self._result(block, [*tensors, *weights], values)

    def _result(self, block: ModuleBlock, outer: Sequence[Tensor], values: Sequence[int]) -> Any:
        """What the module gives back: tensors as they would have been."""
        graph, made = self._graph, dict(enumerate(outer))
        with torch._C._DisableTorchDispatch():
            for value, owner, offset, nbytes in block.results:
                if value in made:
                    continue
                shape, strides, dtype, _ = graph.table.types[graph.types[values[value]]]
                if owner != value:
                    shared = made[owner]
                    made[value] = shared.as_strided(shape, strides, shared.storage_offset() + offset)
                    continue
                tensor = torch.empty_strided(shape, strides, dtype=dtype, device=META)
                if tensor.untyped_storage().nbytes() != nbytes or offset:
                    tensor = torch.empty(nbytes // dtype.itemsize, dtype=dtype, device=META).as_strided(shape, strides, offset)
                made[value] = tensor
            for value, weight in block.casts:
                shape, strides, dtype, _ = graph.table.types[graph.types[values[value]]]
                made[value] = torch.empty_strided(shape, strides, dtype=dtype, device=META)
                self._casts[id(outer[len(outer) - len(block.weights) + weight])] = made[value]
        for value, tensor in made.items():
            if value >= len(outer):
                graph.observe(tensor, id(tensor), values[value])
        return fill_form(block.form, [made[memory.value] for memory in block.results])


def _is_plain(value: Any) -> bool:
    """Whether an argument is a tensor, a constant, or a tuple of these."""
    kind = type(value)
    return kind in _TENSORS or kind in _CONSTANTS or (kind is tuple and all(map(_is_plain, value)))
