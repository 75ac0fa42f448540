"""Counting a user's own model: any module, on any device, left exactly as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.counting.build import META
from zoo.counting.cost import Cost
from zoo.counting.count import count_model, meta_input
from zoo.counting.formulas import Formula
from zoo.counting.operations import Kind, register_formula
from zoo.counting.recorder import Memo
from zoo.errors import InputError


def count(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    memo: Memo | None = None,
) -> Cost:
    """What one forward pass of a model costs, in evaluation mode.

    No arithmetic is run and nothing of the model is changed, whatever device it is on: its parameters are exchanged for ones
    without data while its Python code runs once.

    Args:
        model: any module; a compiled one is counted as the module it was made from.
        shape: of one input without the batch, such as (3, 224, 224).
        inputs: instead of `shape`, the positional arguments of `forward`: tensors in any nesting, on any device.
        kwargs: keyword arguments of `forward`, likewise.
        batch: size of the batch put before `shape`.
        dtype: of the input made from `shape`.
        memo: results shared between counts; one for many models makes counting several times faster.

    Raises:
        InputError: if neither or both of `shape` and `inputs` (or `kwargs`) are given.
        Exception: whatever the model raises.
    """
    if (shape is not None) == (inputs is not None or kwargs is not None):
        raise InputError("Give either a shape without the batch, such as (3, 224, 224), or inputs=(…) and kwargs={…}.")
    if shape is not None:
        arguments: tuple[Any, ...] = (meta_input(shape, batch=batch, dtype=dtype),)
    else:
        arguments = _without_data(() if inputs is None else tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,))
    eager = getattr(model, "_orig_mod", model)
    with torch.compiler.set_stance("force_eager"), _evaluating(eager), _on_meta(eager):
        return count_model(eager, arguments, memo, kwargs=_without_data(dict(kwargs or {})))


def formula(name: str, *, kind: str = Kind.MATMUL) -> Any:
    """Registers the decorated function as the formula of an operator that zoometer does not know.

        @zoo.formula("mylib::op")
        def op_macs(args, kwargs, out):
            return out.numel() * args[0].shape[-1]

    Args:
        name: `library::operator`.
        kind: the class of operation it is added to: conv, linear, matmul, attention or recurrent.

    Raises:
        ZooError: if the operator has a formula already.
    """

    def register(function: Formula) -> Formula:
        register_formula(name, function, Kind(kind))
        return function

    return register


def _without_data(value: Any) -> Any:
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.detach().to(META), value)


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for every module, each put back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def _on_meta(model: nn.Module) -> Iterator[None]:
    """Parameters and floating-point buffers without data for the time being; shared ones stay shared."""
    swapped: list[tuple[Any, str, Tensor]] = []
    twins: dict[int, Tensor] = {}

    def twin(tensor: Tensor) -> Tensor:
        if id(tensor) not in twins:
            empty = tensor.detach().to(META)
            is_parameter = isinstance(tensor, nn.Parameter)
            twins[id(tensor)] = nn.Parameter(empty, requires_grad=tensor.requires_grad) if is_parameter else empty
        return twins[id(tensor)]

    try:
        for module in model.modules():
            held: Any
            for held in (module._parameters, module._buffers):
                for name, tensor in list(held.items()):
                    if isinstance(tensor, Tensor) and tensor.device != META and tensor.is_floating_point():
                        swapped.append((held, name, tensor))
                        held[name] = twin(tensor)
        yield
    finally:
        for held, name, tensor in swapped:
            held[name] = tensor
