"""Counting one step of training: the way from a model and its inputs to a `TrainingCost`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.counting.count_model import join_calls, storage_bytes
from zoo.errors import InputError
from zoo.meta.build import without_collector
from zoo.meta.module_stack import Parts, follow_calls, list_parts
from zoo.operators.op_record import tensors_in
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder
from zoo.training.fused_attention import fused_attention
from zoo.training.optimizers import OPTIMIZERS, OptimizerFactory, optimizer_cost
from zoo.training.saved_tensors import SavedTensors
from zoo.training.stand_ins import trainable_stand_ins
from zoo.training.training_cost import PhaseCost, TrainingCost
from zoo.training.training_totals import RecordedPhase, TrainingTotals

Loss = Callable[[Any], Tensor]
"""Makes a scalar of what a model returns."""


class _Step(NamedTuple):
    """What a step has left behind."""

    forward: RecordedPhase
    backward: RecordedPhase
    saved: Mapping[nn.Module | None, int]
    kept_bytes: int  # alive when the backward pass has ended, such as gradients and outputs


def sum_of_outputs(outputs: Any) -> Tensor:
    """The sum of all elements of all floating-point outputs: a loss through which every output passes a gradient on.

    Raises:
        InputError: if no output depends on a parameter that is trained.
    """
    trained = [tensor for tensor in tensors_in(_as_containers(outputs)) if tensor.requires_grad]
    if not trained:
        raise InputError("No output depends on a parameter that needs a gradient. Unfreeze one with requires_grad_(True).")
    return sum((tensor.sum() for tensor in trained[1:]), start=trained[0].sum())


def count_training(  # all but two are keyword-only and seldom given
    model: nn.Module,
    inputs: Sequence[Any],
    memo: Memo | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    loss: Loss = sum_of_outputs,
    optimizers: Mapping[str, OptimizerFactory] = OPTIMIZERS,
) -> TrainingCost:
    """Runs the forward and the backward pass of a model in training mode on the meta device and counts what happens.

    Args:
        model: on any device; nothing of it is changed. One that is in training mode keeps the mode of each of its modules.
        inputs: positional arguments of `forward`, tensors on the meta device.
        kwargs: its keyword arguments.
        memo: results remembered from other passes; sharing one makes counting several times faster and changes no figure.
        loss: makes the scalar that is differentiated of what the model returns.
        optimizers: whose memory is told, by name.

    Raises:
        InputError: if there is nothing to train.
        Exception: whatever the model raises.
    """
    started = time.perf_counter()
    memo = Memo() if memo is None else memo
    with without_collector(), trainable_stand_ins(model), follow_calls() as (modules, called):
        parts = list_parts(model)
        totals = TrainingTotals(memo)
        step = _run_step(model, (inputs, kwargs or {}), loss, (totals, modules, parts), memo)
        trained = [param for param in parts.params if param.grad is not None]
        gradient_bytes = storage_bytes([param.grad for param in trained if param.grad is not None])
        costs = {name: optimizer_cost(factory, trained, memo) for name, factory in optimizers.items()}
        totals.stop()
    return TrainingCost(
        params=sum(p.numel() for p in parts.params),
        trainable_params=sum(p.numel() for p in parts.params if p.requires_grad),
        weight_bytes=storage_bytes([*parts.params, *parts.buffers]),
        input_bytes=storage_bytes(tensors_in((list(inputs), dict(kwargs or {})))),
        gradient_bytes=gradient_bytes,
        forward=_phase(step.forward, parts),
        backward=_phase(step.backward, parts),
        saved_bytes_by_module={parts.names.get(id(module), ""): nbytes for module, nbytes in step.saved.items()},
        kept_bytes=step.kept_bytes,
        optimizers=costs,
        modules=tuple(parts.modules),
        never_called=parts.never_called(called),
        seconds=time.perf_counter() - started,
    )


def _run_step(
    model: nn.Module, given: Any, loss: Loss, recorded: tuple[TrainingTotals, list[nn.Module], Parts], memo: Memo
) -> _Step:
    """Both passes; the outputs stay alive until the end, as in a training loop that names them."""
    totals, modules, parts = recorded
    saved = SavedTensors(modules, (*parts.params, *parts.buffers))
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(torch.backends.opt_einsum.flags(enabled=False))  # it would reorder products where it is installed
        contexts.enter_context(torch.inference_mode(False))
        contexts.enter_context(torch.enable_grad())
        contexts.enter_context(fused_attention())
        contexts.enter_context(Recorder(totals, modules, memo))
        with saved.saving():
            outputs = model(*given[0], **given[1])
            scalar = loss(outputs)
        saved_bytes = saved.nbytes()
        saved.stop()
        forward = totals.end_phase()
        scalar.backward()
        backward = totals.end_phase()
    return _Step(forward, backward, saved_bytes, totals.memory.live)


def _phase(recorded: RecordedPhase, parts: Parts) -> PhaseCost:
    return PhaseCost(join_calls(recorded.calls, parts.names), recorded.peak_bytes, parts.names.get(id(recorded.peak_owner), ""))


def _as_containers(outputs: Any) -> Any:
    """Outputs as tuples, lists and dictionaries: models return objects of their own as well."""
    return vars(outputs) if hasattr(outputs, "__dict__") and not isinstance(outputs, (Tensor, dict, list, tuple)) else outputs
