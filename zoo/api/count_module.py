"""Counting a user's own model: any module, on any device, left exactly as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, overload

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from zoo.api.given import Given, Model, Shapes, as_given, as_model
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.counting.count_with_values import count_with_values
from zoo.counting.left_out import Ignored, leave_out
from zoo.counting.parameters import ParameterCounts, count_parameters
from zoo.counting.pass_mode import PassMode, run_in_simplest_mode
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.meta.dispatch import below_autograd
from zoo.meta.module_stack import naming_failed_module, set_evaluation_mode
from zoo.meta.programs.scripted import ScriptedModel, scripts_as_modules
from zoo.meta.protection import protected
from zoo.meta.weights import without_data
from zoo.meta.written_values import KeepWritten
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_kinds import MATRIX_KINDS, Kind
from zoo.operators.own_formulas import register_formula, using_formulas
from zoo.recording.memo import Memo
from zoo.traces import TRACE_BATCH, Trace
from zoo.tracing.trace import trace_model
from zoo.training.count_training import count_training
from zoo.training.training_cost import TrainingCost


@overload
def count(
    model: Model,
    shape: Shapes | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    training: Literal[False] = False,
    memo: Memo | None = None,
    formulas: Mapping[str, Formula] | None = None,
    ignore: Iterable[Ignored] = (),
) -> Cost: ...


@overload
def count(
    model: Model,
    shape: Shapes | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    training: Literal[True],
    memo: Memo | None = None,
    formulas: Mapping[str, Formula] | None = None,
    ignore: Iterable[Ignored] = (),
) -> TrainingCost: ...


def count(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: Model,
    shape: Shapes | None = None,
    *,
    inputs: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    training: bool = False,
    memo: Memo | None = None,
    formulas: Mapping[str, Formula] | None = None,
    ignore: Iterable[Ignored] = (),
) -> Cost | TrainingCost:
    """What one forward pass of a model costs in evaluation mode, or one step of its training.

    No arithmetic is run, whatever device the model is on: its parameters are exchanged for ones without data while its Python code
    runs once. What the code changes is put back: buffers, attributes, lists, what hooks collect, caches and random states.

    A model that decides by values (`if x.sum() > 0`, boolean masks, routing to experts, sequences of given lengths) is run once more on
    the CPU, on random data from a fixed seed or on the given tensors; where their values decide on the work, the cost is a bound.
    Of one whose forward pass calls `torch.autograd.grad`, such as for forces, that backward pass counts too.

    Args:
        model: any module; a compiled one is counted as the module it was made from. Also scripts, exported programs, and files of
            either.
        shape: of one input without the batch, such as (3, 224, 224); several shapes for several inputs; tensors as `forward` takes them,
            with their batch; or a dictionary of either by the names of arguments.
        inputs: instead of `shape`, the positional arguments of `forward`: tensors in any nesting, on any device.
        kwargs: keyword arguments of `forward`, likewise.
        batch: size of the batch put before `shape`.
        dtype: of the input made from `shape`.
        training: count forward and backward pass in training mode, and the memory of a step. A model that is in training mode
            already keeps the mode of each of its modules; parameters with `requires_grad=False` are frozen.
        memo: results shared between counts; one for many models makes counting several times faster.
        formulas: MACs of operators, for this count alone, by `library::operator`; see `formula`.
        ignore: modules whose operations, parameters and buffers are left out with all inside them: by path, by class, or themselves.

    Raises:
        ZooError: if a formula is not for an operator, or a pass with values takes more than a minute or half of the free memory.
        InputError: if `model` is no model, nothing can be made of the input, or neither or both of `shape` and `inputs` are
            given, or there is nothing to train, or modules are left out of a step of training.
        UnknownNameError: if `ignore` names no module of the model.
        Exception: whatever the model raises, with a note that says which layer raised it and what that got.
    """
    eager = as_model(model)
    given = as_given(shape, inputs, kwargs, batch=batch, dtype=dtype)
    with using_formulas(formulas or {}), naming_failed_module(eager):
        if training:
            return _count_step(eager, given.without_data(), memo, ignore)
        return _count_forward(eager, given, memo, ignore)


def _count_forward(model: nn.Module, given: Given, memo: Memo | None, ignore: Iterable[Ignored]) -> Cost:
    def run(mode: PassMode) -> Cost:
        if not mode.has_values:
            return _count_without_values(model, given.without_data(), memo, ignore, mode)
        with _as_it_was(model):
            set_evaluating(model)
            cost = count_with_values(model, given.args, given.kwargs, has_gradients=mode.has_gradients)
            return leave_out(cost, model, ignore)

    return run_in_simplest_mode(run)


def _count_step(model: nn.Module, given: Given, memo: Memo | None, ignore: Iterable[Ignored]) -> TrainingCost:
    if ignore:
        raise InputError("ignore leaves modules out of a forward pass. With training=True, read by_module() instead.")
    with _as_it_was(model):
        return count_training(model, given.args, memo, kwargs=given.kwargs)


def _count_without_values(model: nn.Module, given: Given, memo: Memo | None, ignore: Iterable[Ignored], mode: PassMode) -> Cost:
    with _without_traces(model):
        if any(map(is_lazy, model.parameters())):
            with below_autograd():
                model(*given.args, **given.kwargs)  # lazy modules learn their sizes
        cost = count_model(model, given.args, memo, kwargs=given.kwargs, keep=False, has_gradients=mode.has_gradients)
        if isinstance(model, ScriptedModel) and not model.is_readable:
            cost = cost.assuming("the script runs as a whole: which module does what is not known")
        return leave_out(cost, model, ignore)


def trace(  # noqa: PLR0913  # all but two are keyword-only and seldom given
    model: Model,
    shape: Shapes | None = None,
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
        InputError: if `model` is no model, nothing can be made of the input, or neither or both of `shape` and `inputs` are given.
        UnknownNameError: if there is no such precision or layout.
        Exception: whatever the model raises.
    """
    eager = as_model(model)
    given = as_given(shape, inputs, kwargs, batch=batch)
    with _without_traces(eager):
        return trace_model(eager, inputs=given.args, kwargs=given.kwargs, precision=precision, layout=layout, memo=memo)


def parameters(model: nn.Module) -> ParameterCounts:
    """The parameters of a model and how many of them are trained, without an input: nothing is run.

    Raises:
        InputError: if `model` is no model.
    """
    return count_parameters(as_model(model))


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


@contextlib.contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Puts back all that the context changes of a model. Compiled parts run as they were written."""
    with protected(model), scripts_as_modules(model), torch.compiler.set_stance("force_eager"):
        yield


@contextlib.contextmanager
def _without_traces(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a model whose weights hold no data; it is as it was when the context ends."""
    with _as_it_was(model), without_data(model):
        set_evaluating(model)
        yield


def set_evaluating(model: nn.Module) -> None:
    """Evaluation mode, while what that writes over is kept."""
    with KeepWritten(), torch.no_grad():  # type: ignore[no-untyped-call]
        set_evaluation_mode(model)
