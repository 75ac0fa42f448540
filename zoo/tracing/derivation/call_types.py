"""What calls do to types: which shapes, strides and dtypes they make of which, and which memory their results share.

Each distinct call is run once, in float16. What it does in float32 follows from that, unless it depends on the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from zoo.meta.dispatch import below_autograd
from zoo.operators.device_layouts import CUDA_SHORTCUTS
from zoo.operators.op_record import tensors_in
from zoo.operators.run_operator import on_one_device, run_operator
from zoo.recording.memo import Operator, signature
from zoo.tracing.derivation.restriding import FOLLOW_IMAGES, restrided
from zoo.tracing.derivation.tensor_types import TensorTypes, is_image
from zoo.tracing.ordered_calls import CallDescription, describe

_DEPEND_ON_DTYPE = frozenset({torch.ops.aten.scaled_dot_product_attention})
"""Operators whose kernel, and so the layout of the result, depends on the dtype."""


class _Slot:
    """The place of a tensor in the arguments of a template."""


_SLOT = _Slot()


class CallOutcome:
    """What a call does with tensors of certain types."""

    __slots__ = ("call", "halved", "nbytes", "pattern", "planar", "sources", "types")

    def __init__(
        self,
        types: tuple[int, ...],
        sources: tuple[int, ...],
        nbytes: tuple[int, ...],
        call: CallDescription,
        pattern: int,
        halved: CallOutcome | None = None,
    ) -> None:
        self.types = types  # of its results
        self.sources = sources  # for each result the tensor whose storage it shares; -1: it has a storage of its own
        self.nbytes = nbytes  # of each result's storage, if it is its own
        self.call = call
        self.pattern = pattern  # equal for calls that use memory in the same way
        self.halved = halved  # that of the same call in float16, if this one is like it in all else
        self.planar: CallOutcome | None = (
            None  # that of the same call on contiguous images, if this one is like it but for strides
        )


class Template:
    """An operator and its arguments without the tensors."""

    __slots__ = ("args", "cast", "casts", "dtypes", "kwargs", "operator", "outcomes", "variants")

    def __init__(self, operator: Operator, args: Any, kwargs: Any) -> None:
        self.operator = operator
        self.args = args
        self.kwargs = kwargs
        self.outcomes: dict[tuple[int, ...], CallOutcome] = {}
        self.dtypes = {leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.dtype)}
        self.variants: dict[torch.dtype, Template] = {}  # the same with another dtype in place of float16
        is_cast = operator.func is torch.ops.aten.to.dtype and len(args) == 2 and args[0] is _SLOT and not kwargs
        self.cast: torch.dtype | None = args[1] if is_cast else None  # to which it casts, if that is all it does
        self.casts: dict[torch.dtype, CallOutcome] = {}  # of a tensor of each dtype

    @property
    def depends_on_dtype(self) -> bool:
        """Whether its outcome in one dtype says nothing of that in another."""
        return bool(self.dtypes) or self.operator.func._overloadpacket in _DEPEND_ON_DTYPE

    def fill(self, tensors: Sequence[Tensor]) -> tuple[Any, Any]:
        """The arguments with these tensors."""
        given = iter(tensors)
        args = _replace_slots(self.args, given)
        return args, {name: _replace_slots(value, given) for name, value in self.kwargs.items()}


class TypeTable(TensorTypes):
    """Types of tensors and templates met so far, each once; shared by all graphs of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._patterns: dict[Any, int] = {}
        self._templates: dict[Any, Template] = {}
        self._operators: dict[int, Operator] = {}

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

    def with_dtype(self, template: Template, dtype: torch.dtype) -> Template:
        """The same call with a dtype in place of float16 among its arguments."""
        if torch.float16 not in template.dtypes or dtype == torch.float16:
            return template
        if dtype not in template.variants:

            def replace(given: torch.dtype) -> torch.dtype:
                return dtype if given == torch.float16 else given

            args, kwargs = pytree.tree_map_only(torch.dtype, replace, (template.args, template.kwargs))
            template.variants[dtype] = self.template(template.operator, args, kwargs)
        return template.variants[dtype]

    def outcome(self, template: Template, types: tuple[int, ...]) -> CallOutcome:
        """That of a call with tensors of these types; the call is run for it, unless it is known or like a known one.

        Raises:
            Exception: whatever torch raises at such a call.
        """
        known = template.outcomes.get(types)
        if known is None:
            halves = None if template.depends_on_dtype else self.in_float16(types)
            if halves is not None:
                known = self._widened(self.outcome(template, halves))
            else:
                known = self._cast_outcome(template, types) or self._restrided(template, types) or self._run(template, types)
            template.outcomes[types] = known
        return known

    def outcome_of_call(self, template: Template, tensors: Sequence[Tensor], args: Any, kwargs: Any, out: Any) -> CallOutcome:
        """That of a call that was made."""
        types, sources, sizes = self._results(tensors, out)
        call = describe(template.operator, args, kwargs, out, -1 in sources)
        return CallOutcome(types, sources, sizes, call, self._pattern(sources, call))

    def _results(self, tensors: Sequence[Tensor], out: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Types, sources and bytes of a call's results."""
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
        return tuple(types), tuple(sources), tuple(sizes)

    def _pattern(self, sources: tuple[int, ...], call: CallDescription) -> int:
        """That of calls that use memory in the same way."""
        pattern = (sources, call.read, call.is_allocation, call.layout is None)
        return self._patterns.setdefault(pattern, len(self._patterns))

    def of_values(
        self, template: Template, outcome: CallOutcome, tensors: Sequence[Tensor], out: Any
    ) -> tuple[Template, CallOutcome]:
        """A call of tensors with values, such as the indices of a mask: one of its own kind, because its result may depend on them.

        Args:
            template: of calls with such arguments.
            outcome: of one of them.
            tensors: among the arguments.
            out: the result.
        """
        own = Template(template.operator, template.args, template.kwargs)
        results, sources, sizes = self._results(tensors, out)
        found = CallOutcome(results, sources, sizes, outcome.call, self._pattern(sources, outcome.call))
        own.outcomes[tuple(map(self.number_of, tensors))] = found
        return own, found

    def _run(self, template: Template, types: Sequence[int]) -> CallOutcome:
        tensors = []
        for number in types:
            shape, strides, dtype, is_meta = self.types[number]
            tensors.append(torch.empty_strided(shape, strides, dtype=dtype, device="meta" if is_meta else "cpu"))
        args, kwargs = template.fill(tensors)
        func = template.operator.func
        args, kwargs = on_one_device(func, args, kwargs)
        with below_autograd():
            out = run_operator(func, args, kwargs, CUDA_SHORTCUTS)
        return self.outcome_of_call(template, list(tensors_in((args, kwargs))), args, kwargs, out)

    def _cast_outcome(self, template: Template, types: tuple[int, ...]) -> CallOutcome | None:
        """That of a cast that copies: it is like one between the same dtypes, with shapes and strides of its own.

        The copy has the strides of its source, if that fills its memory. None for other calls.
        """
        shape, strides, dtype, is_meta = self.types[types[0]] if template.cast else ((), (), None, False)
        if template.cast is None or dtype is None or dtype == template.cast or not is_meta or not fills_memory(shape, strides):
            return None
        like = template.casts.get(dtype)
        if like is None:
            template.casts[dtype] = like = self._run(template, types)
            return like
        layout, result = like.call.layout, self.in_dtype(types[0], template.cast)
        assert layout is not None  # it copies
        inputs, outputs = (((tensor[0], shape, strides, tensor[3]),) for (tensor,) in (layout.inputs, layout.outputs))
        call = like.call._replace(layout=replace(layout, inputs=inputs, outputs=outputs))
        return CallOutcome((result,), like.sources, (math.prod(shape) * template.cast.itemsize,), call, like.pattern)

    def _restrided(self, template: Template, types: tuple[int, ...]) -> CallOutcome | None:
        """That of a call on channels-last images, if it is known on contiguous ones and follows from that."""
        if template.operator.func._overloadpacket not in FOLLOW_IMAGES:
            return None
        planes = tuple([self.plane(number) for number in types])
        like = template.outcomes.get(planes)
        if like is None or not is_image(self.types[types[0]][0]):
            return None
        if any(plane == number and is_image(self.types[number][0]) for plane, number in zip(planes, types, strict=True)):
            return None  # a contiguous image beside others
        results = tuple(
            [types[s] if s >= 0 and planes[s] == r else self.image(r) for r, s in zip(like.types, like.sources, strict=True)]
        )
        if -1 in results:
            return None
        call = like.call
        if call.layout is not None:
            read, made = ([self.types[number][1] for number in of] for of in ([types[i] for i in call.read], results))
            call = call._replace(layout=restrided(call.layout, read, made))
        outcome = CallOutcome(results, like.sources, like.nbytes, call, like.pattern)
        outcome.planar = like
        return outcome

    def _widened(self, half: CallOutcome) -> CallOutcome:
        """The same in float32."""
        types = [self.in_float32(number) for number in half.types]
        sizes = [
            nbytes * self.types[new][2].itemsize // self.types[old][2].itemsize
            for nbytes, old, new in zip(half.nbytes, half.types, types, strict=True)
        ]
        return CallOutcome(tuple(types), half.sources, tuple(sizes), half.call, half.pattern, half)

    def operator(self, func: Any) -> Operator:
        """An operator of torch that a derived pass calls."""
        known = self._operators.get(id(func))
        if known is None:
            known = self._operators[id(func)] = Operator(func, None)
        return known

    def cast(self, dtype: torch.dtype) -> Template:
        """The call that casts a tensor."""
        return self.template(self.operator(torch.ops.aten.to.dtype), (_SLOT, dtype), {})


def fills_memory(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether every element has a place of its own, with no gap between them."""
    reach = 1
    for stride, size in sorted([(stride, size) for stride, size in zip(strides, shape, strict=True) if size != 1]):
        if stride != reach:
            return False
        reach *= size
    return reach > 0


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
