"""Counting one model by name, in this process: what `zoometer count` does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.adapters.base import Example, Zoo, options_key
from zoo.adapters.declared import DeclaredZoo, call_factory
from zoo.adapters.registry import open_zoo
from zoo.adapters.sources import import_target
from zoo.api.count_module import count, trace
from zoo.api.example_cost import example_cost
from zoo.api.given import as_model, load_program
from zoo.counting.cost import Cost
from zoo.errors import InputError, UnknownNameError, ZooError, did_you_mean
from zoo.inputs import format_tensors, parse_tensors, resize_input
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import Architecture, CostKey, DeclaredModel
from zoo.traces import Trace
from zoo.training.training_cost import TrainingCost


@dataclass(frozen=True, slots=True)
class Counted:
    """The cost of a named model at one input."""

    model: str
    input: str
    batch: int
    cost: Cost
    trace: Trace | None = None  # if one was asked for
    training: TrainingCost | None = None  # a step of training, likewise


@dataclass(frozen=True, slots=True)
class InputSpec:
    """At which inputs to count, how to trace, and whether to train. No sizes: the native one. No precision: no trace."""

    sizes: tuple[str, ...] = ()
    batch: int = 1
    dtype: str = "float32"
    precision: str | None = None
    layout: str = "nchw"
    training: bool = False

    def torch_dtype(self) -> torch.dtype:
        """The floating-point dtype itself.

        Raises:
            InputError: if torch has no such dtype, or it is one of whole numbers.
        """
        dtype = getattr(torch, self.dtype, None)
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise InputError(f"'{self.dtype}' is not a dtype. Write float32, float16 or bfloat16.")
        return dtype


def count_named(
    target: str, spec: InputSpec, classes: int | None = None, declared: Mapping[str, Sequence[DeclaredModel]] | None = None
) -> list[Counted]:
    """Counts `zoo/arch`, `zoo/arch.tag`, `package.module:factory`, or a file of a program at the given inputs.

    Args:
        target: the model's name.
        spec: the inputs.
        classes: outputs of the head, instead of the model's own.
        declared: models by the name of a zoo that a configuration declares.

    Raises:
        UnknownNameError: if there is no such model.
        InputError: if the model cannot take an input.
        ZooError: if the user's module cannot be imported, or the model cannot be built or run.
    """
    if Path(target).suffix in _PROGRAM_SUFFIXES:
        return _count_file(target, spec)
    return _count_own(target, spec) if ":" in target else _count_of_zoo(target, spec, classes, declared or {})


def _count_of_zoo(
    target: str, spec: InputSpec, classes: int | None, declared: Mapping[str, Sequence[DeclaredModel]]
) -> list[Counted]:
    zoo, architecture, tag = _find(target, declared)
    if classes is not None and architecture.declared:
        raise InputError(f"{target} is a declared model: its factory decides on its outputs, leave --classes out.")
    weights = next((w for w in architecture.weights if w.tag == tag), None) if tag else None
    native = weights.input if weights else architecture.input
    head = classes if classes is not None else weights.classes if weights else architecture.classes
    memo, model, built_with, counted = Memo(), None, None, []
    for size in spec.sizes or ("native",):
        shape = native if size == "native" else resize_input(size, native)
        key = CostKey(zoo.name, architecture.name, shape, head, batch=spec.batch)
        options = zoo.build_options(key)
        if model is None or built_with != options_key(options):
            model, built_with = _build(zoo, architecture.name, options), options_key(options)
        counted.append(_count_example(target, model, key.input, zoo.example(model, key), spec, memo))
    return counted


def _find(target: str, declared: Mapping[str, Sequence[DeclaredModel]]) -> tuple[Zoo, Architecture, str | None]:
    name, slash, rest = target.partition("/")
    if not slash:
        raise UnknownNameError(
            f"'{target}' does not name a model. Write zoo/architecture, such as timm/resnet50, or package.module:factory."
        )
    zoo = open_zoo(name, declared.get(name, ()))
    architectures = {a.name: a for a in zoo.architectures()}
    arch, _, tag = (rest, "", "") if rest in architectures else rest.partition(".")
    if arch not in architectures:
        raise UnknownNameError(f"{name} has no architecture '{arch}'.{did_you_mean(arch, architectures)}")
    architecture = architectures[arch]
    if architecture.uncountable:
        raise ZooError(f"{target}: {architecture.uncountable}.")
    tags = [w.tag for w in architecture.weights]
    if tag and tag not in tags:
        raise UnknownNameError(f"{name}/{arch} has no weights '{tag}'.{did_you_mean(tag, tags)}")
    return zoo, architecture, tag or None


def _build(zoo: Zoo, arch: str, options: dict[str, Any]) -> nn.Module:
    try:
        return build_on_meta(lambda: zoo.build(arch, options), zoo.initialisers())
    except Exception as error:
        raise ZooError(f"{zoo.name}/{arch} cannot be built: {type(error).__name__}: {error}") from error


def _count_example(target: str, model: nn.Module, input: str, example: Example, spec: InputSpec, memo: Memo) -> Counted:
    dtype = spec.torch_dtype()

    def cast(value: Any) -> Any:
        return pytree.tree_map_only(Tensor, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, value)

    try:
        counting = functools.partial(count, model.to(dtype), inputs=cast(example.args), kwargs=cast(dict(example.kwargs)))
        cost = example_cost(example, lambda memo: counting(memo=memo), memo)
        traced = _trace_example(model, example, spec) if spec.precision else None
        training = _train_example(model, example, cast) if spec.training else None
    except ZooError:
        raise
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        raise InputError(f"{target} does not run at {input}: {type(error).__name__}: {error} {notes}".strip()) from error
    return Counted(target, input, spec.batch, cost, traced, training)


def _train_example(model: nn.Module, example: Example, cast: Callable[[Any], Any]) -> TrainingCost:
    with example.context():
        return count(model, inputs=cast(example.args), kwargs=cast(dict(example.kwargs)), training=True)


def _trace_example(model: nn.Module, example: Example, spec: InputSpec) -> Trace:
    assert spec.precision is not None
    with example.context():
        return trace(model, inputs=example.args, kwargs=example.kwargs, precision=spec.precision, layout=spec.layout)


def _count_own(target: str, spec: InputSpec) -> list[Counted]:
    if not spec.sizes or "native" in spec.sizes:
        raise InputError(f"{target} has no native input. Give one without the batch: --input 3x224x224.")
    zoo = DeclaredZoo("", [DeclaredModel(target, factory=target, inputs=spec.sizes)])
    factory = import_target(target)
    try:
        model = build_on_meta(lambda: call_factory(target, factory, {}))
    except ZooError:
        raise
    except Exception as error:
        raise ZooError(f"{target} cannot be built without arguments: {type(error).__name__}: {error}") from error
    memo, counted = Memo(), []
    for size in spec.sizes:
        input = format_tensors(parse_tensors(size))
        example = zoo.example(model, CostKey(zoo.name, target, input, None, batch=spec.batch))
        counted.append(_count_example(target, model, input, example, spec, memo))
    return counted


_PROGRAM_SUFFIXES = frozenset({".pt2", ".pt", ".pth", ".ts"})


def _count_file(target: str, spec: InputSpec) -> list[Counted]:
    """A program of torch.export.save or torch.jit.save; an exported one was made with an input, which is its native one."""
    program = load_program(Path(target))
    model = as_model(program)
    sizes, memo = spec.sizes or ("native",), Memo()
    zoo = DeclaredZoo("", [DeclaredModel(target, factory=target, inputs=tuple(size for size in sizes if size != "native"))])
    counted = []
    for size in sizes:
        if size == "native":
            args, kwargs = getattr(program, "example_inputs", None) or ((), {})
            shapes = ";".join("x".join(map(str, x.shape)) for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
            if not shapes:
                raise InputError(f"{target} has no native input. Give one without the batch: --input 3x224x224.")
            example, input = Example(tuple(args), kwargs), shapes
        else:
            input = format_tensors(parse_tensors(size))
            example = zoo.example(model, CostKey(zoo.name, target, input, None, batch=spec.batch))
        counted.append(_count_example(target, model, input, example, spec, memo))
    return counted
