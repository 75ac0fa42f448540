"""Counts a pass with values on the CPU, for models that cannot run on the meta device.

The operations of a model may depend on values, or exist for tensors with data only. Then it runs on the given input or on random input from
a fixed seed, with the same recorder.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.counting.cost import Cost
from zoo.counting.count_model import cost_of_pass
from zoo.counting.value_totals import DataDependence, Limits, ValueTotals
from zoo.errors import ZooError
from zoo.meta.module_stack import list_parts
from zoo.meta.weights import with_values, without_values
from zoo.operators.op_record import tensors_in
from zoo.units import format_bytes

_SECONDS = 60.0
_SHARE_OF_MEMORY = 0.5
"""Of the free memory, for weights and activations."""
_SEED = 0


def count_with_values(model: nn.Module, inputs: Sequence[Any], kwargs: Mapping[str, Any], *, has_gradients: bool = False) -> Cost:
    """Counts one pass with values. The cost is a bound if the model reads values that another input would change.

    Args:
        model: in evaluation mode. For the pass, weights on other devices are copied to the CPU, and weights without data become random.
        inputs: positional arguments of `forward`; tensors without data become random ones.
        kwargs: its keyword arguments.
        has_gradients: for a model whose forward pass differentiates.

    Raises:
        ZooError: if the pass takes too much time or memory.
        Exception: whatever the model raises.
    """
    started = time.perf_counter()
    parts = list_parts(model)
    free = _free_bytes()
    needed = sum(t.numel() * t.element_size() for t in (*parts.params, *parts.buffers) if without_values(t))
    if needed > free:
        raise ZooError(
            f"The model's work depends on data, and its weights with values take {format_bytes(needed)} of the {format_bytes(free)} that may "
            "be used: count a smaller one."
        )
    _seed_generators()
    given = list(tensors_in((inputs, kwargs)))
    is_random = any(map(without_values, given)) or not any(t.is_floating_point() for t in given)
    args, named = pytree.tree_map_only(Tensor, _on_cpu, (tuple(inputs), dict(kwargs)))
    unknown = {name for name, buffer in model.named_buffers() if without_values(buffer)}
    with with_values(model):
        passed = list(tensors_in((args, named)))
        data = [t for t in (*model.parameters(), *passed) if t.is_floating_point() or t.is_complex()]
        made = [new for old, new in zip(given, passed, strict=True) if without_values(old)]
        made += [buffer for name, buffer in model.named_buffers() if name in unknown]
        known = [new for old, new in zip(given, passed, strict=True) if not without_values(old)]
        dependence = DataDependence((*data, *made), known)
        totals = ValueTotals(dependence, Limits(_SECONDS, free - needed), has_gradients=has_gradients)
        with dependence.watching_exports(), dependence.allowing_mask_checks(), _without_fast_paths():
            cost = cost_of_pass(model, args, named, totals, None, parts, started)
    if not dependence.was_read:
        return cost
    return cost.assuming(f"depends on data: counted for {'a random' if is_random else 'the given'} input")


def _on_cpu(tensor: Tensor) -> Tensor:
    """A tensor on the CPU with its own values or random ones; random integers are 0 or 1, which are valid indices of any embedding."""
    if not without_values(tensor):
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if tensor.is_meta and (tensor.is_floating_point() or tensor.is_complex()):
        return torch.randn(tensor.shape, dtype=tensor.dtype, requires_grad=tensor.requires_grad)
    return torch.randint(0, 2, tensor.shape).to(tensor.dtype) if tensor.is_meta else tensor.detach().cpu()


@contextlib.contextmanager
def _without_fast_paths() -> Iterator[None]:
    """Makes torch's transformer layers call their modules, as on the meta device, instead of one kernel."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)


def _seed_generators() -> None:
    torch.manual_seed(_SEED)
    random.seed(_SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(_SEED)


def _free_bytes() -> int:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # the system does not tell
        free = 8_000_000_000
    return int(free * _SHARE_OF_MEMORY)
