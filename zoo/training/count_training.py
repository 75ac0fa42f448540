"""Counts one step of training: from a model and its inputs to a `TrainingCost`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from zoo.counting.count_model import storage_bytes
from zoo.errors import InputError
from zoo.meta.build import without_collector
from zoo.meta.module_stack import follow_calls, list_parts, unchanged
from zoo.meta.new_tensors import META
from zoo.meta.weights import exchanged_tensors
from zoo.operators.op_record import tensors_in
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder
from zoo.training.fused_attention import fused_attention
from zoo.training.optimizers import OPTIMIZERS, optimizer_cost
from zoo.training.training_cost import TrainingCost
from zoo.training.training_totals import SavedTensors, TrainingTotals


def sum_of_outputs(outputs: Any) -> Tensor:
    """The sum of all elements of all floating-point outputs: a loss with a gradient for every output.

    Raises:
        InputError: if no output depends on a parameter that is trained.
    """
    trained = [tensor for tensor in tensors_in(_as_containers(outputs)) if tensor.requires_grad]
    if not trained:
        raise InputError("No output depends on a parameter that needs a gradient. Unfreeze one with requires_grad_(True).")
    return sum((tensor.sum() for tensor in trained[1:]), start=trained[0].sum())


def count_training(
    model: nn.Module, inputs: Sequence[Any], memo: Memo | None = None, *, kwargs: Mapping[str, Any] | None = None
) -> TrainingCost:
    """Runs the forward and the backward pass of a model in training mode on the meta device and counts their operations and memory.

    Args:
        model: on any device; it is not changed. One that is in training mode keeps the mode of each of its modules.
        inputs: positional arguments of `forward`, tensors on the meta device.
        kwargs: its keyword arguments.
        memo: results remembered from other passes; sharing one makes counting several times faster and changes no figure.

    Raises:
        InputError: if there is nothing to train.
        Exception: whatever the model raises.
    """
    started = time.perf_counter()
    memo, named = Memo() if memo is None else memo, kwargs or {}
    with without_collector(), _trainable_stand_ins(model), follow_calls() as (modules, called):
        parts = list_parts(model)
        totals, saved = TrainingTotals(memo), SavedTensors(modules, (*parts.params, *parts.buffers))
        with _training_pass(), Recorder(totals, modules, memo):
            with saved_tensors_hooks(saved.save, lambda tensor: tensor):
                outputs = model(*inputs, **named)  # alive until the end, as in a training loop that gives them a name
                scalar = sum_of_outputs(outputs)
            saved_bytes = saved.nbytes()
            saved.stop()
            forward = totals.end_phase(parts.names)
            scalar.backward()
            backward = totals.end_phase(parts.names)
        totals.stop()
        trained = [param for param in parts.params if param.grad is not None]
        return TrainingCost(
            params=sum(p.numel() for p in parts.params),
            trainable_params=sum(p.numel() for p in parts.params if p.requires_grad),
            weight_bytes=storage_bytes([*parts.params, *parts.buffers]),
            input_bytes=storage_bytes(tensors_in((list(inputs), dict(named)))),
            gradient_bytes=storage_bytes([param.grad for param in trained if param.grad is not None]),
            forward=forward,
            backward=backward,
            saved_bytes_by_module={parts.names.get(id(module), ""): nbytes for module, nbytes in saved_bytes.items()},
            kept_bytes=totals.memory.live,
            optimizers={name: optimizer_cost(factory, trained, memo) for name, factory in OPTIMIZERS.items()},
            modules=tuple(parts.modules),
            never_called=parts.never_called(called),
            seconds=time.perf_counter() - started,
        )


@contextlib.contextmanager
def _training_pass() -> Iterator[None]:
    """Autograd as in a training loop, and attention as a device computes it there."""
    with (
        torch.backends.opt_einsum.flags(enabled=False),  # it would reorder products where it is installed
        torch.inference_mode(False),
        torch.enable_grad(),
        fused_attention(),
    ):
        yield


@contextlib.contextmanager
def _trainable_stand_ins(model: nn.Module) -> Iterator[None]:
    """Exchanges parameters and buffers for new ones, because a step writes gradients and statistics, and sets training mode.

    Floating-point ones hold no data; others are copies, because their values may decide which code runs. Shared tensors stay shared, and
    tensors without gradients get none. A model that is in training mode already keeps the mode of each of its modules, so that a
    frozen part stays in evaluation mode. At the end the model is as it was before.
    """
    with unchanged(model), exchanged_tensors(model, _stand_in, lambda module: (module._parameters, module._buffers)):
        if not model.training:
            with torch.no_grad():
                model.train()
        yield


def _stand_in(tensor: Tensor) -> Tensor:
    data = tensor.detach()
    twin = torch.empty_like(data, device=META) if data.is_floating_point() else data.clone()
    return nn.Parameter(twin, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin


def _as_containers(outputs: Any) -> Any:
    """Outputs as tuples, lists and dictionaries; of an object of another class, its attributes."""
    return vars(outputs) if hasattr(outputs, "__dict__") and not isinstance(outputs, (Tensor, dict, list, tuple)) else outputs
