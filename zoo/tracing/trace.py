"""Making a trace: a model prepared for a precision and a layout, run once or twice under a recorder, and written down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.counting.count_model import meta_input
from zoo.errors import UnknownNameError, did_you_mean
from zoo.meta.build import without_collector
from zoo.meta.dispatch import below_autograd
from zoo.meta.module_stack import Around, class_name, follow_modules
from zoo.meta.new_tensors import META
from zoo.meta.weights import without_data
from zoo.operators.op_record import tensors_in
from zoo.recording.autocast import AutocastState, cuda_autocast, meta_stands_for
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder, Sink
from zoo.run_config import LAYOUTS, TRACED, Precision
from zoo.traces import TRACE_BATCH, Trace, TracedCall, TracedTensor
from zoo.tracing.ordered_calls import OrderedCalls, RecordedCall
from zoo.tracing.pass_model import PassModel

Arguments = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional and keyword arguments of `forward`."""


def trace_model(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    layout: str = "nchw",
    batch: int = TRACE_BATCH,
    memo: Memo | None = None,
) -> Trace:
    """Runs a model once without data and records every call.

    Args:
        model: in evaluation mode, on any device; it is not changed.
        shape: of one input, without the batch.
        inputs: instead, the positional arguments of `forward`; tensors of any device in any nesting.
        kwargs: keyword arguments of `forward`, likewise.
        precision: one of `TRACED`.
        layout: one of `LAYOUTS`.
        batch: put before `shape`.
        memo: calls remembered from other traces; sharing one makes tracing faster and changes nothing.

    Raises:
        UnknownNameError: if there is no such precision or layout.
        Exception: whatever the model raises.
    """
    parsed = Precision.parse(precision)
    if parsed is None or parsed not in TRACED:
        raise UnknownNameError(f"There is no precision '{precision}'.{did_you_mean(precision, TRACED)}")
    if layout not in LAYOUTS:
        raise UnknownNameError(f"There is no layout '{layout}'.{did_you_mean(layout, LAYOUTS)}")
    given: Arguments = (tuple(inputs or ()) if shape is None else (meta_input(shape, batch=batch),), dict(kwargs or {}))
    batch = next((t.shape[0] for t in tensors_in(given) if t.dim()), 1)
    prepared = PassModel(model)
    recorded = record_pass(prepared, given, parsed, layout, Memo() if memo is None else memo, batch)
    return to_trace(recorded, prepared.parts.names, parsed, layout, batch)


def record_pass(
    model: PassModel,
    given: Arguments,
    precision: Precision,
    layout: str,
    memo: Memo,
    batch: int = TRACE_BATCH,
) -> OrderedCalls:
    """The calls of a pass."""
    runner = PassRunner(model, precision, layout, memo)
    recorded = runner.record(given)
    larger = enlarged(given, batch)
    if larger is not None and may_repeat(recorded, batch):
        # A model that takes no larger batch has its reasons; its constants are then those of this one.
        with contextlib.suppress(Exception):
            growing = _growing(recorded, runner.record(larger))
            if growing is not None:
                mark_repeated(recorded, growing)
    return recorded


def enlarged(given: Arguments, batch: int) -> Arguments | None:
    """The same inputs with one image more; None if no tensor has the images as its first dimension, as in lists of images."""

    def has_batch(tensor: Tensor) -> bool:
        return tensor.dim() > 0 and tensor.shape[0] == batch

    def enlarge(tensor: Tensor) -> Tensor:
        return torch.empty((batch + 1, *tensor.shape[1:]), dtype=tensor.dtype, device=META) if has_batch(tensor) else tensor

    larger: Arguments = pytree.tree_map_only(Tensor, enlarge, given)
    return larger if any(map(has_batch, tensors_in(given))) else None


class PassRunner:
    """A model prepared for passes in one precision and layout."""

    def __init__(self, model: PassModel, precision: Precision, layout: str, memo: Memo) -> None:
        self._model = model
        self._precision = precision
        self._memo = memo
        self.dtype = None if precision.is_autocast or precision is Precision.FP32 else getattr(torch, precision.dtype)
        self.is_channels_last = layout == "nhwc"
        self.autocast = cuda_autocast() if precision.is_autocast else None
        self.state = AutocastState(self.autocast is not None, (self.autocast or cuda_autocast()).dtype)
        self.casts: dict[int, Tensor] = {}  # of parameters, while a pass under autocast lasts

    def record(self, given: Arguments) -> OrderedCalls:
        """One pass, its calls in order."""
        recorded = OrderedCalls()

        def name_storages(weights: Sequence[Tensor], tensors: Iterable[Tensor]) -> None:
            for role, named in (("weight", weights), ("input", tensors)):
                for tensor in named:
                    recorded.storages.number(tensor, role)

        self.record_into(recorded, given, name_storages)
        return recorded

    def record_into(
        self,
        sink: Sink,
        given: Arguments,
        begin: Callable[[Sequence[Tensor], Iterable[Tensor]], None],
        around: Around | None = None,
    ) -> set[nn.Module]:
        """One pass; `begin` gets the weights and the inputs as the pass has them, and `around` makes the calls of modules.

        Gives the modules that the pass has changed, which are as before.
        """
        model, autocast = self._model.module, self.autocast or cuda_autocast()
        inputs, kwargs = pytree.tree_map_only(Tensor, self.prepare, (given[0], dict(given[1])))
        with contextlib.ExitStack() as contexts:
            contexts.enter_context(without_collector())
            changed = contexts.enter_context(self._model.unchanged())
            twins = contexts.enter_context(without_data(model, dtype=self.dtype, channels_last=self.is_channels_last))
            contexts.enter_context(meta_stands_for(autocast.device_type, self.state))
            contexts.enter_context(torch.backends.opt_einsum.flags(enabled=False))
            if self._precision is Precision.AMP_FAST_NORM:
                _use_fast_norms(model)
            contexts.enter_context(below_autograd())
            weights = [twins[id(tensor)] for tensor in (*self._model.parts.params, *self._model.parts.buffers)]
            begin(weights, tensors_in((inputs, kwargs)))
            modules = contexts.enter_context(follow_modules(around))
            contexts.callback(self.casts.clear)
            recorder = Recorder(sink, modules, self._memo, self.autocast, self.state, self.casts)
            with recorder:
                out = model(*inputs, **kwargs)
            sink.stop()  # while the outputs and the casts of parameters are alive
            del out, recorder
            replaced = twins.replaced_in()
        return replaced.union(changed)

    def prepare(self, tensor: Tensor) -> Tensor:
        """An input on the meta device, in the model's precision and layout."""
        tensor = tensor.detach().to(META, self.dtype if tensor.is_floating_point() else None)
        return tensor.to(memory_format=torch.channels_last) if self.is_channels_last and tensor.dim() == 4 else tensor


def _use_fast_norms(model: nn.Module) -> None:
    """What timm's `set_fast_norm` would have made of the model's layers when they were built."""
    for module in model.modules():
        if hasattr(module, "_fast_norm"):
            module._fast_norm = True  # type: ignore[assignment]


def may_repeat(recorded: OrderedCalls, batch: int) -> bool:
    """Whether some constant made in the pass could have a copy for each image. Casts of weights have not."""
    return any(
        role == "constant" and any(size % batch == 0 for size in like[1])
        for call in recorded.calls
        if call.layout.operation != "to"
        for like, role in zip(call.layout.outputs, call.write_roles, strict=True)
    )


def _growing(recorded: OrderedCalls, larger: OrderedCalls) -> list[list[bool]] | None:
    """For each result of each call, whether its shape is another one in a larger batch; None if the batch decides on the calls."""
    if [call.layout.operation for call in recorded.calls] != [call.layout.operation for call in larger.calls]:
        return None
    return [
        [like[1] != larger_like[1] for like, larger_like in zip(call.layout.outputs, other.layout.outputs, strict=True)]
        for call, other in zip(recorded.calls, larger.calls, strict=True)
    ]


def mark_repeated(recorded: OrderedCalls, growing: Sequence[Sequence[bool]]) -> None:
    """Gives constants that grow with the batch a role of their own."""
    repeated: set[int] = set()
    for call, grows in zip(recorded.calls, growing, strict=True):
        repeated.update(n for n, role, g in zip(call.writes, call.write_roles, grows, strict=True) if g and role == "constant")
        if repeated:
            for numbers, roles in ((call.reads, call.read_roles), (call.writes, call.write_roles)):
                roles[:] = ["repeated" if n in repeated and r == "constant" else r for n, r in zip(numbers, roles, strict=True)]
    for number in repeated:
        if recorded.storages.roles[number] == "constant":
            recorded.storages.roles[number] = "repeated"


def to_trace(recorded: OrderedCalls, names: Mapping[int, str], precision: str, memory_layout: str, batch: int) -> Trace:
    """Recorded calls as a trace; `names` are the paths of modules by their identity."""
    calls = tuple([traced_call(call, names) for call in recorded.calls])
    return Trace(precision, memory_layout, batch, calls, recorded.storages.listed())


def traced_call(call: RecordedCall, names: Mapping[int, str]) -> TracedCall:
    """One recorded call as part of a trace; `names` are the paths of modules by their identity."""
    module, layout, reads, read_roles, writes, write_roles = call
    ins = tuple(TracedTensor(*like, role, n) for like, role, n in zip(layout.inputs, read_roles, reads, strict=True))
    outs = tuple(TracedTensor(*like, role, n) for like, role, n in zip(layout.outputs, write_roles, writes, strict=True))
    return TracedCall(
        names.get(id(module), ""), class_name(module), layout.operation, layout.kind.value, ins, outs, layout.arguments,
        layout.groups, layout.kernel, layout.has_bias, layout.has_mask, layout.in_place, layout.macs,
    )  # fmt: skip
