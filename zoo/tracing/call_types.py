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
from zoo.tracing.ordered_calls import CallDescription, describe
from zoo.tracing.restriding import FOLLOW_IMAGES, channels_last_strides, contiguous_strides, is_image, restrided

TensorType = tuple[tuple[int, ...], tuple[int, ...], torch.dtype, bool]
"""All a meta kernel sees of a tensor: shape, strides, dtype, and whether it is on the meta device."""

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


class TypeTable:
    """Types of tensors and templates met so far, each once; shared by all graphs of a process."""

    def __init__(self) -> None:
        self.types: list[TensorType] = []
        self._numbers: dict[TensorType, int] = {}
        self._halves: dict[int, int] = {}  # of each type met in float32, the same in float16
        self._fulls: dict[int, int] = {}
        self._of_images: dict[int, int] = {}  # of each type the same in channels last
        self._planes: dict[
            int, int
        ] = {}  # of each type with the strides of channels last the contiguous one; of others themselves
        self._in_dtypes: dict[tuple[int, torch.dtype], int] = {}
        self._patterns: dict[Any, int] = {}
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

    def in_dtype(self, number: int, dtype: torch.dtype) -> int:
        """The same type with another dtype."""
        known = self._in_dtypes.get((number, dtype))
        if known is None:
            shape, strides, _, is_meta = self.types[number]
            known = self._in_dtypes[number, dtype] = self.number((shape, strides, dtype, is_meta))
        return known

    def channels_last(self, number: int) -> int:
        """The same type with the strides of `torch.channels_last`, if it can be an image."""
        known = self._of_images.get(number)
        if known is None:
            shape, strides, dtype, is_meta = self.types[number]
            if len(shape) == 4 and is_meta:
                strides = torch.empty(shape, device="meta").to(memory_format=torch.channels_last).stride()
            known = self._of_images[number] = self.number((shape, strides, dtype, is_meta))
        return known

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
            halves = None if template.depends_on_dtype else self._in_float16(types)
            if halves is not None:
                known = self._widened(self.outcome(template, halves))
            else:
                known = self._cast_outcome(template, types) or self._restrided(template, types) or self._run(template, types)
            template.outcomes[types] = known
        return known

    def outcome_of_call(self, template: Template, tensors: Sequence[Tensor], args: Any, kwargs: Any, out: Any) -> CallOutcome:
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
        call = describe(template.operator, args, kwargs, out, -1 in sources)
        pattern = (tuple(sources), call.read, call.is_allocation, call.layout is None)
        number = self._patterns.setdefault(pattern, len(self._patterns))
        return CallOutcome(tuple(types), tuple(sources), tuple(sizes), call, number)

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
        planes = tuple([self._plane(number) for number in types])
        like = template.outcomes.get(planes)
        if like is None or not is_image(self.types[types[0]][0]):
            return None
        if any(plane == number and is_image(self.types[number][0]) for plane, number in zip(planes, types, strict=True)):
            return None  # a contiguous image beside others
        results = tuple(
            [types[s] if s >= 0 and planes[s] == r else self._image(r) for r, s in zip(like.types, like.sources, strict=True)]
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

    def _plane(self, number: int) -> int:
        """The type of a contiguous tensor in place of a channels-last one; others are as they are."""
        known = self._planes.get(number)
        if known is None:
            shape, strides, dtype, is_meta = self.types[number]
            is_last = is_meta and len(shape) == 4 and strides == channels_last_strides(shape)
            known = number if not is_last else self.number((shape, contiguous_strides(shape), dtype, is_meta))
            self._planes[number] = known
        return known

    def _image(self, number: int) -> int:
        """The channels-last type of a contiguous image; -1: it is none."""
        shape, strides, dtype, is_meta = self.types[number]
        if not is_meta or not is_image(shape) or strides != contiguous_strides(shape):
            return -1
        return self.number((shape, channels_last_strides(shape), dtype, is_meta))

    def _in_float16(self, types: tuple[int, ...]) -> tuple[int, ...] | None:
        """The same types in float16, if their only floating-point dtype is float32."""
        halves, has_changed = [], False
        for number in types:
            half = self._halves.get(number)
            if half is None:
                shape, strides, dtype, is_meta = self.types[number]
                if dtype.is_floating_point and dtype != torch.float32:
                    return None
                half = number if dtype != torch.float32 else self.number((shape, strides, torch.float16, is_meta))
                self._halves[number], self._fulls[half] = half, number
            has_changed |= half != number
            halves.append(half)
        return tuple(halves) if has_changed else None

    def _widened(self, half: CallOutcome) -> CallOutcome:
        """The same in float32."""
        types = [self._in_float32(number) for number in half.types]
        sizes = [
            nbytes * self.types[new][2].itemsize // self.types[old][2].itemsize
            for nbytes, old, new in zip(half.nbytes, half.types, types, strict=True)
        ]
        return CallOutcome(tuple(types), half.sources, tuple(sizes), half.call, half.pattern, half)

    def _in_float32(self, number: int) -> int:
        full = self._fulls.get(number)
        if full is None:
            shape, strides, dtype, is_meta = self.types[number]
            full = number if dtype != torch.float16 else self.number((shape, strides, torch.float32, is_meta))
            self._fulls[number] = full
        return full

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
