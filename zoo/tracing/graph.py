"""The graph of a pass: every call with the values it takes and gives, views included, and when each value dies.

From the graph the calls of the same pass in another precision or memory layout are derived (`zoo.tracing.derivation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.meta.dispatch import below_autograd
from zoo.operators.device_layouts import CUDA_SHORTCUTS
from zoo.operators.op_record import tensors_in
from zoo.operators.run_operator import on_one_device, run_operator
from zoo.recording.lifetimes import LifetimeObserver
from zoo.recording.memo import CallEntry, Operator, signature
from zoo.tracing.ordered_calls import CallDescription, describe

TensorType = tuple[tuple[int, ...], tuple[int, ...], torch.dtype, bool]
"""All a meta kernel sees of a tensor: shape, strides, dtype, and whether it is on the meta device."""


class _Slot:
    """The place of a tensor in the arguments of a template."""


_SLOT = _Slot()


class Outcome(NamedTuple):
    """What a call does with tensors of certain types."""

    types: tuple[int, ...]  # of its results
    sources: tuple[int, ...]  # for each result the argument whose storage it shares; -1: it has a storage of its own
    nbytes: tuple[int, ...]  # of each result's storage, if it is its own
    call: CallDescription


class Template:
    """An operator and its arguments without the tensors."""

    __slots__ = ("args", "dtypes", "kwargs", "operator", "outcomes", "variants")

    def __init__(self, operator: Operator, args: Any, kwargs: Any) -> None:
        self.operator = operator
        self.args = args
        self.kwargs = kwargs
        self.outcomes: dict[tuple[int, ...], Outcome] = {}
        self.dtypes = {leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.dtype)}
        self.variants: dict[torch.dtype, Template] = {}  # the same with another dtype in place of float16

    def fill(self, tensors: Sequence[Tensor]) -> tuple[Any, Any]:
        """The arguments with these tensors."""
        given = iter(tensors)
        args = _replace_slots(self.args, given)
        return args, {name: _replace_slots(value, given) for name, value in self.kwargs.items()}


class TypeTable:
    """Types of tensors and templates met so far, each once; shared by all graphs of a process."""

    def __init__(self) -> None:
        self.types: list[TensorType] = []
        self._numbers: dict[TensorType, int] = {}
        self._templates: dict[Any, Template] = {}
        self._operators: dict[int, Operator] = {}

    def number(self, kind: TensorType) -> int:
        """That of a type."""
        known = self._numbers.get(kind)
        if known is None:
            known = self._numbers[kind] = len(self.types)
            self.types.append(kind)
        return known

    def number_of(self, tensor: Tensor) -> int:
        """That of a tensor's type."""
        return self.number((tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.is_meta))

    def template(self, operator: Operator, args: Any, kwargs: Any) -> Template:
        """That of a call."""
        args = _with_slots(args)
        kwargs = {name: _with_slots(value) for name, value in kwargs.items()}
        try:
            key = (id(operator.func), signature(args, kwargs, []))
            known = self._templates.get(key)
        except TypeError:  # an argument that cannot be hashed
            return Template(operator, args, kwargs)
        if known is None:
            known = self._templates[key] = Template(operator, args, kwargs)
        return known

    def outcome(self, template: Template, tensors: Sequence[Tensor], args: Any, kwargs: Any, out: Any) -> Outcome:
        """That of a call that was made."""
        storages = [t.untyped_storage()._cdata for t in tensors]
        types, sources, sizes = [], [], []
        for result in tensors_in(out):
            storage = result.untyped_storage()
            is_own = storage._cdata not in storages
            types.append(self.number_of(result))
            sources.append(-1 if is_own else storages.index(storage._cdata))
            sizes.append(storage.nbytes() if is_own else 0)
            if is_own:
                storages.append(storage._cdata)
        is_fresh = -1 in sources
        call = describe(template.operator, args, kwargs, out, is_fresh)
        return Outcome(tuple(types), tuple(sources), tuple(sizes), call)

    def with_dtype(self, number: int, old: torch.dtype, new: torch.dtype) -> int:
        """The type like one of dtype `old`, but of dtype `new`; others stay as they are."""
        shape, strides, dtype, is_meta = self.types[number]
        return self.number((shape, strides, new, is_meta)) if dtype == old else number

    def operator(self, func: Any) -> Operator:
        """An operator of torch that a derived pass calls."""
        known = self._operators.get(id(func))
        if known is None:
            known = self._operators[id(func)] = Operator(func, None)
        return known

    def cast(self, dtype: torch.dtype) -> Template:
        """The call that casts a tensor."""
        return self.template(self.operator(torch.ops.aten.to.dtype), (_SLOT, dtype), {})

    def infer(self, template: Template, types: Sequence[int]) -> Outcome:
        """That of a call with tensors of these types, which is run for it."""
        tensors = []
        for number in types:
            shape, strides, dtype, is_meta = self.types[number]
            tensors.append(torch.empty_strided(shape, strides, dtype=dtype, device="meta" if is_meta else "cpu"))
        args, kwargs = template.fill(tensors)
        func = template.operator.func
        args, kwargs = on_one_device(func, args, kwargs)
        with below_autograd():
            out = run_operator(func, args, kwargs, CUDA_SHORTCUTS)
        return self.outcome(template, list(tensors_in((args, kwargs))), args, kwargs, out)


def _with_slots(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _SLOT
    if type(value) in (tuple, list):
        return type(value)([_with_slots(item) for item in value])
    return value


def _replace_slots(value: Any, tensors: Iterator[Tensor]) -> Any:
    if value is _SLOT:
        return next(tensors)
    if type(value) in (tuple, list):
        return type(value)([_replace_slots(item, tensors) for item in value])
    return value


class Node(NamedTuple):
    """One call."""

    template: Template
    outcome: Outcome
    module: nn.Module | None
    inputs: list[int]  # values
    outputs: list[int]
    types: tuple[int, ...]  # of the inputs


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
        self.types: list[int] = []  # of each value
        self.deaths: list[int | None] = []  # number of calls made when each value dies; None: it outlives the pass
        self.weights: list[int] = []  # values
        self.inputs: list[int] = []
        self.asks_contiguity = False  # whether the model looks at the layout of a tensor
        self.growing: set[int] = set()  # values whose shape is another one in a larger batch
        self.sources: dict[int, tuple[int, int]] = {}  # values that no call has made: address and bytes of their storage
        self.contractions: set[int] = set()  # calls that are contractions of an einsum
        self.composites: set[str] = set()  # full names of operators whose parts are recorded in their place

    def add_source(self, tensor: Tensor) -> int:
        """The value of a tensor that no call has made."""
        known = self.label_at(id(tensor))
        if known is not None:
            return known
        value = self._new_value(tensor, self.table.number_of(tensor))
        storage = tensor.untyped_storage()
        self.sources[value] = storage._cdata, storage.nbytes()
        return value

    def _new_value(self, tensor: Tensor, kind: int) -> int:
        value = len(self.types)
        self.types.append(kind)
        self.deaths.append(None)
        self.observe(tensor, id(tensor), value)
        return value

    def on_death(self, label: int) -> None:
        self.deaths[label] = len(self.calls)

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> tuple[Template, Outcome]:
        template = self.table.template(operator, args, kwargs)
        return template, self.table.outcome(template, list(tensors_in((args, kwargs))), args, kwargs, out)

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
        inputs = [self.add_source(tensor) for tensor in tensors]
        types = tuple([self.types[value] for value in inputs])
        template.outcomes.setdefault(types, outcome)
        outputs = []
        for tensor, kind in zip(tensors_in(out), outcome.types, strict=True):
            value = self.label_at(id(tensor))
            if value is None:
                value = self._new_value(tensor, kind)
            else:  # changed in place
                self.types[value] = kind
            outputs.append(value)
        self.calls.append(Node(template, outcome, module, inputs, outputs, types))
