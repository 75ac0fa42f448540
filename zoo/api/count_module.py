"""Counting a user's own model: any module, on any device, left exactly as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model, meta_input
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.meta.module_stack import evaluate
from zoo.meta.new_tensors import META
from zoo.meta.protection import protected
from zoo.meta.weights import without_data
from zoo.meta.written_values import KeepWritten
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_kinds import MATRIX_KINDS, Kind
from zoo.operators.own_formulas import register_formula, using_formulas
from zoo.recording.memo import Memo
from zoo.traces import TRACE_BATCH, Trace
from zoo.tracing.trace import trace_model


def count(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    memo: Memo | None = None,
    formulas: Mapping[str, Formula] | None = None,
) -> Cost:
    """What one forward pass of a model costs, in evaluation mode.

    No arithmetic is run, whatever device the model is on: its parameters are exchanged for ones without data while its Python code
    runs once. What the code changes is put back: buffers, attributes, lists, what hooks collect, caches and random states.

    Args:
        model: any module; a compiled one is counted as the module it was made from.
        shape: of one input without the batch, such as (3, 224, 224).
        inputs: instead of `shape`, the positional arguments of `forward`: tensors in any nesting, on any device.
        kwargs: keyword arguments of `forward`, likewise.
        batch: size of the batch put before `shape`.
        dtype: of the input made from `shape`.
        memo: results shared between counts; one for many models makes counting several times faster.
        formulas: MACs of operators, for this count alone, by `library::operator`; see `formula`.

    Raises:
        ZooError: if a formula is not for an operator.
        InputError: if neither or both of `shape` and `inputs` (or `kwargs`) are given.
        Exception: whatever the model raises.
    """
    _require_one(shape, inputs, kwargs)
    if shape is not None:
        arguments: tuple[Any, ...] = (meta_input(shape, batch=batch, dtype=dtype),)
    else:
        arguments = _without_data(_as_arguments(inputs))
    eager = getattr(model, "_orig_mod", model)
    with using_formulas(formulas or {}), _without_traces(eager):
        return count_model(eager, arguments, memo, kwargs=_without_data(dict(kwargs or {})), keep=False)


def trace(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    layout: str = "nchw",
    batch: int = TRACE_BATCH,
    memo: Memo | None = None,
) -> Trace:
    """Every call of one forward pass in order, with shapes, strides and dtypes as they are on a GPU, and who feeds whom.

    Args:
        model: any module; a compiled one is traced as the module it was made from. It is left as it was.
        shape: of one input without the batch, such as (3, 224, 224).
        inputs: instead of `shape`, the positional arguments of `forward`: tensors in any nesting, on any device.
        kwargs: keyword arguments of `forward`, likewise.
        precision: fp32; amp, as torch.autocast("cuda") casts; amp-fast-norm, with timm's `--fast-norm`; fp16 or bf16, the whole
            model converted.
        layout: nchw, or nhwc for weights and input in torch.channels_last.
        batch: size of the batch put before `shape`; with one image, strides would say too little.
        memo: calls shared between traces; one for many models makes tracing several times faster.

    Raises:
        InputError: if neither or both of `shape` and `inputs` (or `kwargs`) are given.
        UnknownNameError: if there is no such precision or layout.
        Exception: whatever the model raises.
    """
    _require_one(shape, inputs, kwargs)
    eager = getattr(model, "_orig_mod", model)
    given = None if shape is not None else _as_arguments(inputs)
    with _without_traces(eager):
        return trace_model(
            eager, shape, inputs=given, kwargs=kwargs, precision=precision, layout=layout, batch=batch, memo=memo
        )  # fmt: skip


def formula(name: str, *, kind: str | None = None) -> Any:
    """Registers the decorated function as the formula of an operator, for all counts from now on.

        @zoo.formula("mylib::op")
        def op_macs(args, kwargs, out):
            return out.numel() * args[0].shape[-1]

    It also replaces the formula of an operator that zoometer knows, such as `aten::mm`. `zoo.count(model, shape, formulas={"mylib::op":
    op_macs})` does so for one count.

    Args:
        name: `library::operator`, as the reason of a bound has it.
        kind: the class of operation that it is added to: conv, linear, matmul, attention or recurrent; that of zoometer's own formula by
            default, else matmul.

    Raises:
        ZooError: if the name is not one of an operator.
        UnknownNameError: if torch has no such operator, or there is no such class.
    """
    choices = sorted(str(each) for each in MATRIX_KINDS)
    if kind is not None and kind not in choices:
        raise UnknownNameError(f"There is no class of operations '{kind}'.{did_you_mean(kind, choices)}")

    def register(function: Formula) -> Formula:
        register_formula(name, function, Kind(kind) if kind else None)
        return function

    return register


def _require_one(shape: Sequence[int] | None, inputs: Any, kwargs: Mapping[str, Any] | None) -> None:
    if (shape is not None) == (inputs is not None or kwargs is not None):
        raise InputError("Give either a shape without the batch, such as (3, 224, 224), or inputs=(…) and kwargs={…}.")


def _as_arguments(inputs: Any) -> tuple[Any, ...]:
    return () if inputs is None else tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)


def _without_data(value: Any) -> Any:
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.detach().to(META), value)


@contextlib.contextmanager
def _without_traces(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a model whose weights hold no data; all that this and the pass change is put back.

    Compiled parts run as they were written.
    """
    with protected(model), without_data(model), torch.compiler.set_stance("force_eager"):
        with KeepWritten(), torch.no_grad():  # type: ignore[no-untyped-call]
            evaluate(model)
        yield
