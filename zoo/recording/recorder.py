"""The dispatch mode that records a forward pass on the meta device.

Below autograd (`zoo.meta.dispatch`) operators arrive un-decomposed: `conv2d`, `linear`, `scaled_dot_product_attention`. The recorder
answers calls it has seen from a memo (`zoo.recording.memo`), applies autocast, which torch itself skips on the meta device, and
hands each call to a sink: totals (`zoo.counting.totals`) or the calls in order (`zoo.tracing.ordered_calls`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.meta.new_tensors import META
from zoo.meta.written_values import keep_written
from zoo.operators.einsum_contractions import find_products
from zoo.operators.op_record import storage_of, tensors_in
from zoo.operators.run_operator import on_one_device, run_operator
from zoo.operators.shape_inference import Shortcut
from zoo.recording.autocast import Autocast, AutocastState, Policy, cast_arguments
from zoo.recording.higher_order import run_higher_order
from zoo.recording.memo import Action, CallEntry, Memo, Operator, make_entry, signature

_aten = torch.ops.aten
_empty_strided = torch.empty_strided
_PLAIN = frozenset({Tensor, nn.Parameter})


class Sink(Protocol):
    """What a pass is recorded into."""

    name: str
    """Sinks of one name make the same descriptions, which a memo shares."""
    shortcuts: Mapping[Any, Shortcut]
    """Results of operators without their kernels, in the memory layout of the device that the pass stands for."""
    inlines_parts: bool
    """Whether the parts of a composite operator without a formula replace it; otherwise they become its description."""
    follows_values: bool
    """Whether it takes views as well, and every result as a tensor of its own."""
    calls: list[Any]
    """What was recorded, in order."""
    composites: set[str]
    """Full names of the operators whose parts were recorded."""

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> Any:
        """What is to be remembered of a distinct call; `is_fresh` says whether it has made a storage."""

    def describe_parts(self) -> Any:
        """The same of a composite whose parts were recorded into this sink."""

    def empty(self) -> Sink:
        """Another one of this kind."""

    def stop(self) -> None:
        """Ends the pass: what is alive outlives it."""

    def operation_at(self, position: int) -> str:
        """The operation recorded at a position."""

    def mark_contraction(self, position: int) -> None:
        """Makes the elementwise product recorded at a position the contraction of an einsum that it is."""

    def add(
        self,
        entry: CallEntry,
        module: nn.Module | None,
        tensors: Sequence[Tensor],
        out: Any,
        made: Sequence[torch.UntypedStorage],
    ) -> None:
        """Takes one call.

        Args:
            entry: what is known of all calls like it.
            module: that made it.
            tensors: among its arguments.
            out: its result.
            made: storages that it has made.
        """


class Recorder(TorchDispatchMode):
    """Records one pass into a sink; to be used inside `zoo.meta.dispatch.below_autograd()`.

    Args:
        sink: takes the calls.
        modules: stack of the modules being called, kept by `zoo.meta.module_stack.follow_modules`.
        memo: calls remembered from earlier passes; None runs every operator.
        autocast: applied while its state is on.
        state: of autocast, changed by the model.
        casts: of parameters, by their identity: autocast keeps them for the pass. An empty one, which is filled.
    """

    def __init__(
        self,
        sink: Sink,
        modules: Sequence[nn.Module],
        memo: Memo | None = None,
        autocast: Autocast | None = None,
        state: AutocastState | None = None,
        casts: dict[int, Tensor] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sink = sink
        self._add = sink.add
        self._modules = modules
        self._memo = Memo() if memo is None else memo
        self._has_memo = memo is not None
        self._autocast = autocast
        self._state = state or AutocastState(enabled=False, dtype=torch.float16)
        self._operators = self._memo.operators(sink.name, autocast)
        self._casts = {} if casts is None else casts
        self.assumptions: dict[str, None] = {}
        """What was assumed of the pass, in order."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spares a wrapper around every dispatch; nothing is compiled here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The hot path: some hundred thousand calls a minute, so it is written for speed."""
        if types and not _PLAIN.issuperset(types):  # a subclass takes the operator apart into those of the tensors that it holds
            return NotImplemented
        kwargs = kwargs or {}
        operator = self._operators.get(id(func))
        if operator is None:
            if isinstance(func, HigherOrderOperator):
                return run_higher_order(self, func, args, kwargs)
            operator = self._add_operator(func)
        if operator.is_view:
            return func(*args, **kwargs)
        if operator.policy is not None and self._state.enabled:
            return self._call_with_casts(operator, args, kwargs)
        if operator.is_composite and self._sink.inlines_parts:
            return self._run_parts(self, operator, args, kwargs)
        tensors: list[Tensor] = []
        key: Any
        try:
            key = signature(args, kwargs, tensors)
            entry = operator.calls.get(key)
        except (TypeError, RuntimeError):  # an argument that cannot be hashed, or a sparse tensor
            key = entry = None
            tensors = list(tensors_in((args, kwargs)))
        if entry is None:
            return self._run_first(operator, args, kwargs, key, tensors)
        if entry.result is not None:
            shape, strides, dtype = entry.result
            out = _empty_strided(shape, strides, dtype=dtype, device=META)
            made = [out.untyped_storage()]
        else:
            out, made = self._repeat(operator, entry, args, kwargs)
        self._add(entry, self._modules[-1] if self._modules else None, tensors, out, made)
        return out

    def record(self, operator: Operator, args: tuple[Any, ...], out: Any) -> None:
        """Adds a call that was made without the recorder."""
        entry = CallEntry(Action.TRACK, self._sink.describe(operator, args, {}, out, True))
        tensors = list(tensors_in(args))
        self._add(entry, self._modules[-1] if self._modules else None, tensors, out, _new_storages(out, _storages(args)))

    def macs_of(self, function: Callable[..., Any], args: Sequence[Any]) -> int:
        """MACs of what a function does, without recording it."""
        trial = self._sink.empty()
        with Recorder(trial, self._modules, self._memo if self._has_memo else None, self._autocast, self._state):
            function(*args)
        trial.stop()
        return sum(call[1].macs for call in trial.calls)

    def _add_operator(self, func: Any) -> Operator:
        operator = self._operators[id(func)] = Operator(func, self._autocast.policies if self._autocast else None)
        operator.is_view &= not self._sink.follows_values
        return operator

    def _repeat(self, operator: Operator, entry: CallEntry, args: Any, kwargs: Any) -> tuple[Any, list[torch.UntypedStorage]]:
        """The result of a call seen before, and the storages it has made, unless it is a single new tensor."""
        if entry.action == Action.FIRST:
            return self._separate(operator, args, args[0]), []
        if entry.action == Action.CALL:
            return operator.func(*args, **kwargs), []
        if entry.action == Action.TRACK:
            args, kwargs = on_one_device(operator.func, args, kwargs)
            keep_written(operator.func, args, kwargs)
            before = _storages((args, kwargs))
            out = run_operator(operator.func, args, kwargs, self._sink.shortcuts)
            return out, _new_storages(out, before)
        outs = [r and _empty_strided(r[0], r[1], dtype=r[2], device=META) for r in entry.results]
        return entry.sequence(outs), [t.untyped_storage() for t in outs if t is not None]  # type: ignore[misc]

    def _separate(self, operator: Operator, args: Any, out: Any) -> Any:
        """A result that is its first argument, as a tensor of its own where the sink follows values."""
        is_same = self._sink.follows_values and args and out is args[0] and not operator.is_mutable
        return _aten.alias.default(out) if is_same else out

    def _run_first(self, operator: Operator, args: Any, kwargs: Any, key: Any, tensors: list[Tensor]) -> Any:
        """Runs a call not seen before, has it described, and decides what can be remembered of it."""
        func = operator.func
        is_meta = all(t.is_meta for t in tensors)
        if not is_meta:
            args, kwargs = on_one_device(func, args, kwargs)
            keep_written(func, args, kwargs)
        before = _storages((args, kwargs))
        out = run_operator(func, args, kwargs, self._sink.shortcuts)
        made = _new_storages(out, before)
        if operator.is_composite:
            parts = self._sink.empty()
            self._run_parts(Recorder(parts, (), self._memo), operator, args, kwargs)
            description = parts.describe_parts()
        else:
            description = self._sink.describe(operator, args, kwargs, out, bool(made))
        outs = list(tensors_in(out))
        if is_meta and all(t.is_meta for t in outs):
            entry = make_entry(func, args, out, before, description)
        else:
            entry = CallEntry(Action.TRACK, description)
        if key is not None and self._has_memo and outs:
            operator.calls[key] = entry
        out = self._separate(operator, args, out)
        self._add(entry, self._modules[-1] if self._modules else None, tensors, out, made)
        return out

    @staticmethod
    def _run_parts(recorder: Recorder, operator: Operator, args: Any, kwargs: Any) -> Any:
        """Runs a composite's own kernel under a recorder, so that its parts are recorded."""
        sink = recorder._sink
        sink.composites.add(operator.func.name())
        first = len(sink.calls)
        with recorder:
            out = operator.func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        if operator.func._overloadpacket is _aten.einsum:
            parts = [sink.operation_at(position) for position in range(first, len(sink.calls))]
            for position in find_products(args[0], [t.shape for t in args[1]], parts):
                sink.mark_contraction(first + position)
        return out

    def _call_with_casts(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """The call as autocast makes it: with its arguments cast, and autocast off inside."""
        assert self._autocast is not None
        assert operator.policy is not None
        func, cast_args, kwargs = cast_arguments(self._autocast, operator.policy, operator.func, (args, kwargs), self._cast)
        self._state.enabled = False
        try:
            out = self.__torch_dispatch__(func, (), cast_args, kwargs)
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
        if is_kept and id(tensor) in self._casts:
            return self._casts[id(tensor)]
        cast: Tensor = self.__torch_dispatch__(_aten.to.dtype, (), (tensor, dtype))
        if is_kept:
            self._casts[id(tensor)] = cast
        return cast


def _storages(arguments: Any) -> set[int]:
    try:
        return {tensor.untyped_storage()._cdata for tensor in tensors_in(arguments)}
    except RuntimeError:  # a sparse tensor has none
        return {storage._cdata for tensor in tensors_in(arguments) if (storage := storage_of(tensor)) is not None}


def _new_storages(out: Any, before: set[int]) -> list[torch.UntypedStorage]:
    try:
        storages = [tensor.untyped_storage() for tensor in tensors_in(out)]
    except RuntimeError:
        storages = [storage for tensor in tensors_in(out) if (storage := storage_of(tensor)) is not None]
    return [storage for storage in storages if storage._cdata not in before]
