"""Recording a trace: a dispatch mode that keeps calls in their order, with the memory they read and write.

Distinct calls are described once and remembered, as in `zoo.counting.recorder`; each call then only adds which storages it met.
Autocast is applied here because torch's own passes over tensors on the meta device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.meta.new_tensors import META
from zoo.operators.dispatch import on_one_device, run_operator
from zoo.operators.einsum import find_products
from zoo.operators.op_record import tensors_in
from zoo.operators.operations import Kind
from zoo.tracing.autocast import Autocast, AutocastState, Policy, cast_arguments
from zoo.tracing.call_description import Entry, Facts, Operator, TraceMemo, as_contraction, describe
from zoo.tracing.layout import GPU_LAYOUTS
from zoo.tracing.storages import Storages

_aten = torch.ops.aten


class Recorded(NamedTuple):
    """One call as it happened."""

    module: nn.Module | None
    facts: Facts
    reads: list[int]  # storage of each tensor it reads
    read_roles: list[str]
    writes: list[int]
    write_roles: list[str]


class Tracer(TorchDispatchMode):
    """Records calls; use it inside `torch.inference_mode()`, one instance a pass.

    Args:
        modules: stack of the modules being called.
        autocast: applied while its state is on.
        state: changed by the model.
        memo: calls remembered from other traces.
    """

    def __init__(self, modules: Sequence[nn.Module], autocast: Autocast | None, state: AutocastState, memo: TraceMemo) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._modules = modules
        self._autocast = autocast
        self._state = state
        self._memo = memo
        self._operators = memo.operators(autocast)
        self._casts: dict[int, Tensor] = {}  # of parameters, by identity: autocast keeps them for the pass
        self.storages = Storages()
        self.calls: list[Recorded] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spares a wrapper around every dispatch; nothing is compiled here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._call(func, args, kwargs or {})

    def _call(self, func: Any, args: Any, kwargs: Any) -> Any:
        operator = self._operators.get(id(func))
        if operator is None:
            operator = self._operators[id(func)] = Operator(func, self._autocast)
        if operator.is_view:
            return func(*args, **kwargs)
        if operator.policy is not None and self._state.enabled:
            return self._call_cast(operator, args, kwargs)
        return self._run_apart(func, args, kwargs) if operator.is_apart else self._run(operator, args, kwargs)

    def _call_cast(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """The call as autocast makes it: with its arguments cast, and autocast off inside."""
        assert self._autocast is not None
        assert operator.policy is not None
        func, cast_args, kwargs = cast_arguments(self._autocast, operator.policy, operator.func, (args, kwargs), self._cast)
        self._state.enabled = False
        try:
            out = self._call(func, cast_args, kwargs)
            return out if operator.policy is not Policy.FULL_AND_BACK else self._cast_back(out, args[0].dtype)
        finally:
            self._state.enabled = True

    def _cast_back(self, out: Any, dtype: torch.dtype) -> Any:
        def cast(tensor: Tensor) -> Tensor:
            return self._cast(tensor, dtype) if tensor.is_floating_point() and tensor.dtype != dtype else tensor

        return pytree.tree_map_only(Tensor, cast, out)

    def _cast(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """Casts of parameters to the lower precision are kept, as autocast keeps them."""
        assert self._autocast is not None
        is_kept = (
            self._state.keeps_casts
            and dtype == self._autocast.dtype
            and tensor.dtype == torch.float32
            and tensor.requires_grad
            and tensor.is_leaf
            and not tensor._is_view()
        )
        if not is_kept:
            cast: Tensor = self._call(_aten.to.dtype, (tensor, dtype), {})
            return cast
        if id(tensor) not in self._casts:
            self._casts[id(tensor)] = self._call(_aten.to.dtype, (tensor, dtype), {})
        return self._casts[id(tensor)]

    def _run_apart(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs a composite's own kernel, so that its parts are recorded in its place."""
        first = len(self.calls)
        with self:
            out = func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        if func._overloadpacket is _aten.einsum:
            parts = [call.facts.operation for call in self.calls[first:]]
            for position in find_products(args[0], [t.shape for t in args[1]], parts):
                call = self.calls[first + position]
                self.calls[first + position] = call._replace(facts=as_contraction(call.facts))
        return out

    def _run(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        tensors: list[Tensor] = []
        key: Any
        try:
            key = (_signature(args, tensors), _signature(tuple(kwargs.items()), tensors) if kwargs else None)
            entry = operator.entries.get(key)
        except TypeError:  # an argument that cannot be hashed
            key, entry = None, None
            tensors = list(tensors_in((args, kwargs)))
        if entry is None:
            return self._run_first(operator, args, kwargs, (key, tensors))
        if entry.returns_first:
            out = args[0]
        elif entry.results is not None:
            made = [torch.empty_strided(shape, strides, dtype=dtype, device=META) for shape, strides, dtype in entry.results]
            out = made[0] if entry.is_sequence is None else entry.is_sequence(made)
        else:
            out = _run_as_on_gpu(operator.func, args, kwargs)
        self._note(operator, entry, tensors, out)
        return out

    def _run_first(self, operator: Operator, args: Any, kwargs: Any, seen: tuple[Any, list[Tensor]]) -> Any:
        key, tensors = seen
        before = {t.untyped_storage()._cdata for t in tensors}
        out = _run_as_on_gpu(operator.func, args, kwargs)
        fresh = any(t.untyped_storage()._cdata not in before for t in tensors_in(out))
        entry = describe(operator, args, kwargs, out, fresh)
        self._note(operator, entry, tensors, out)
        is_meta = all(t.device == META for t in (*tensors, *tensors_in(out)))
        if key is not None and is_meta and any(True for _ in tensors_in(out)):
            _remember(operator.func, entry, args, out, before)
            operator.entries[key] = entry
        return out

    def _note(self, operator: Operator, entry: Entry, tensors: Sequence[Tensor], out: Any) -> None:
        if entry.facts is not None:
            self._record(entry, entry.facts, tensors, out)
        elif operator.operation.kind == Kind.ALLOCATE:
            for tensor in tensors_in(out):
                self.storages.number(tensor, "constant", len(self.calls))

    def _record(self, entry: Entry, facts: Facts, tensors: Sequence[Tensor], out: Any) -> None:
        storages, position = self.storages, len(self.calls)
        storages.position = position + 1
        reads = [storages.number(tensors[i], "constant") for i in entry.read]
        read_roles = [storages.roles[number] for number in reads]
        is_constant = "activation" not in read_roles and "input" not in read_roles
        made = "constant" if is_constant else "activation"
        writes = [storages.number(t, made, position) for t in tensors_in(out)]
        for number in writes:
            if not is_constant and storages.roles[number] in {"constant", "weight"}:
                storages.roles[number] = "activation"  # a constant that is written into
        write_roles = [storages.roles[number] for number in writes]
        module = self._modules[-1] if self._modules else None
        self.calls.append(Recorded(module, facts, reads, read_roles, writes, write_roles))


def _run_as_on_gpu(func: Any, args: Any, kwargs: Any) -> Any:
    args, kwargs = on_one_device(func, args, kwargs)
    rule = GPU_LAYOUTS.get(func._overloadpacket)
    out = rule(func, args, kwargs) if rule is not None else None
    return run_operator(func, args, kwargs) if out is None else out


def _signature(values: Any, tensors: list[Tensor]) -> tuple[Any, ...]:
    """All that a meta kernel can see of its arguments, as a hashable value; collects the tensors among them."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
            parts += (value.shape, value.stride(), value.dtype, value.is_meta)
        elif isinstance(value, (tuple, list)):
            parts.append(_signature(value, tensors))
        else:
            parts += (value.__class__, value)  # 1, 1.0 and True are equal
    return tuple(parts)


def _remember(func: Any, entry: Entry, args: Any, out: Any, before: set[int]) -> None:
    """Notes what can be done in place of the kernel when the call comes again."""
    if torch.Tag.inplace_view in func.tags:  # such as unsqueeze_, which changes its argument's shape
        return
    if args and out is args[0]:
        entry.returns_first = True
        return
    outs = out if isinstance(out, (tuple, list)) else (out,)
    storages = [t.untyped_storage()._cdata for t in outs if isinstance(t, Tensor)]
    is_fresh = len(storages) == len(outs) == len(set(storages)) and not before.intersection(storages)
    if is_fresh and not func._schema.is_mutable and all(_fills_its_storage(t) for t in outs):
        entry.is_sequence = type(out) if isinstance(out, (tuple, list)) else None
        entry.results = tuple((t.shape, t.stride(), t.dtype) for t in outs)


def _fills_its_storage(tensor: Tensor) -> bool:
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (reach if tensor.numel() else 0) * tensor.element_size() == tensor.untyped_storage().nbytes()
