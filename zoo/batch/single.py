"""Counting one model by name, in this process: what `zoometer count` does."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.adapters.base import Zoo, options_key
from zoo.adapters.registry import open_zoo
from zoo.counting.build import build_on_meta
from zoo.counting.cost import Cost
from zoo.counting.live import count
from zoo.counting.recorder import Memo
from zoo.errors import InputError, UnknownNameError, ZooError, did_you_mean
from zoo.records import Architecture, CostKey, image_input, parse_input


@dataclass(frozen=True, slots=True)
class Counted:
    """The cost of a named model at one input."""

    model: str
    input: str
    batch: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class InputSpec:
    """At which inputs to count. No sizes: the native one."""

    sizes: tuple[str, ...] = ()
    batch: int = 1
    dtype: str = "float32"

    def torch_dtype(self) -> torch.dtype:
        """The floating-point dtype itself.

        Raises:
            InputError: if torch has no such dtype, or it is one of whole numbers.
        """
        dtype = getattr(torch, self.dtype, None)
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise InputError(f"'{self.dtype}' is not a dtype. Write float32, float16 or bfloat16.")
        return dtype


def count_named(target: str, spec: InputSpec, classes: int | None = None) -> list[Counted]:
    """Counts `zoo/arch`, `zoo/arch.tag`, or `package.module:factory` at the given inputs.

    Raises:
        UnknownNameError: if there is no such model.
        InputError: if the model cannot take an input.
        ZooError: if the user's module cannot be imported, or the model cannot be built or run.
    """
    return _count_own(target, spec) if ":" in target else _count_of_zoo(target, spec, classes)


def _count_of_zoo(target: str, spec: InputSpec, classes: int | None) -> list[Counted]:
    zoo, architecture, tag = _find(target)
    weights = next((w for w in architecture.weights if w.tag == tag), None) if tag else None
    native = weights.input if weights else architecture.input
    head = classes if classes is not None else weights.classes if weights else architecture.classes
    memo, model, built_with, counted = Memo(), None, None, []
    for size in spec.sizes or ("native",):
        shape = native if size == "native" else image_input(size, native)
        options = zoo.build_options(CostKey(zoo.name, architecture.name, shape, head))
        if model is None or built_with != options_key(options):
            model, built_with = _build(zoo, architecture.name, options), options_key(options)
        counted.append(_count_shape(target, model, shape, spec, memo))
    return counted


def _find(target: str) -> tuple[Zoo, Architecture, str | None]:
    name, slash, rest = target.partition("/")
    if not slash:
        raise UnknownNameError(
            f"'{target}' does not name a model. Write zoo/architecture, such as timm/resnet50, or package.module:factory."
        )
    zoo = open_zoo(name)
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


def _count_shape(target: str, model: nn.Module, shape: str, spec: InputSpec, memo: Memo) -> Counted:
    dtype = spec.torch_dtype()
    try:
        cost = count(model.to(dtype), parse_input(shape), batch=spec.batch, dtype=dtype, memo=memo)
    except Exception as error:
        raise InputError(f"{target} does not run at {shape}: {type(error).__name__}: {error}") from error
    return Counted(target, shape, spec.batch, cost)


def _count_own(target: str, spec: InputSpec) -> list[Counted]:
    if not spec.sizes or "native" in spec.sizes:
        raise InputError(f"{target} has no native input. Give one without the batch: --input 3x224x224.")
    factory = _import(target)
    try:
        model = factory if isinstance(factory, nn.Module) else build_on_meta(factory)
    except Exception as error:
        raise ZooError(f"{target} cannot be built without arguments: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise ZooError(f"{target} gives {type(model).__name__}, not a torch.nn.Module.")
    memo = Memo()
    return [_count_shape(target, model, size, spec, memo) for size in spec.sizes]


def _import(target: str) -> Any:
    """The attribute that `package.module:attribute` names; the current folder is searched too."""
    module_name, _, attribute = target.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UnknownNameError(
            f"Module '{module_name}' cannot be imported: {error}. Run in its folder, or install it."
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise UnknownNameError(f"Module '{module_name}' has no '{attribute}'.{did_you_mean(attribute, public)}") from None
