"""What zoometer asks of a zoo.

An adapter lists what exists without building a model or touching the network, and builds one architecture when asked. It counts
nothing and keeps nothing. An adapter may name in `libraries` the distributions that decide what it lists, such as
`libraries = ("timm", "torch")`: as long as they and the adapter's source stay the same, it is not asked again. One that names
none is asked by every refresh. `zoo.adapters.torchvision.zoo` is the shorter of the two built-in examples.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.errors import UnknownNameError, did_you_mean
from zoo.inputs import parse_tensors
from zoo.records import Architecture, CostKey, PublishedCost, Selection

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Example:
    """What one forward pass is called with; its tensors are on the meta device."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    assumption: str | None = None  # what was assumed where the cost depends on data; makes the count a bound
    context: Callable[[], AbstractContextManager[Any]] = nullcontext  # entered for the pass; answers what data would decide
    weight_bytes: int | None = None  # of parameters and buffers, where they are kept in another form than the counted one


@runtime_checkable
class Zoo(Protocol):
    """A collection of architectures. Instances are cheap to make and are made anew in every worker.

    A class that derives from this one inherits what most zoos share: no initialisers of its own, and tensors as its input says.
    """

    name: str

    def version(self) -> str:
        """Version of the library, part of what decides whether a cached count is still valid."""

    def architectures(self) -> Sequence[Architecture]:
        """Everything the zoo has, each with its weights; no model is built, nothing is downloaded."""

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Constructor arguments for counting this. Inputs with equal options share one build.

        Raises:
            InputError: if the architecture cannot take the input, with the reason.
        """

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The model, without trained weights. Called inside a context that puts new tensors on the meta device."""

    def initialisers(self) -> Iterable[Callable[..., Any]]:
        """Functions of the library that only fill tensors with start values; they are skipped while building."""
        return ()

    def aliases(self) -> Mapping[str, str]:
        """Names that architectures had in older versions, and what they are called now: an architecture, or `arch.tag`."""
        return {}

    def published_costs(self) -> Sequence[PublishedCost]:
        """What the library itself states of the cost of its weights, for an audit."""
        return ()

    def example(self, model: nn.Module, key: CostKey) -> Example:  # noqa: ARG002  # other zoos ask the model
        """One tensor of the key's batch for each that its input names; those with a name are keyword arguments."""
        import torch

        tensors = [
            (tensor.name, torch.empty((key.batch, *tensor.shape), dtype=getattr(torch, tensor.dtype), device="meta"))
            for tensor in parse_tensors(key.input)
        ]
        named = {name: tensor for name, tensor in tensors if name is not None}
        return Example(tuple(tensor for name, tensor in tensors if name is None), named)


def options_key(options: dict[str, Any]) -> Hashable:
    """A key under which one build can be shared."""
    return tuple(sorted((name, repr(value)) for name, value in options.items()))


def select(architectures: Sequence[Architecture], selection: Selection) -> list[Architecture]:
    """The architectures a selection means, in the zoo's order.

    Raises:
        UnknownNameError: if a pattern of `include` or `exclude` without wildcards names nothing, or `include` matches nothing.
    """
    names = [a.name for a in architectures]
    _check_patterns(selection, names, architectures[0].zoo if architectures else "")
    included = _matching(names, selection.include) - _matching(names, selection.exclude)
    return [
        a
        for a in architectures
        if a.name in included
        and (not selection.tasks or a.task in selection.tasks)
        and (not selection.pretrained_only or a.weights)
    ]


def _matching(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    names = list(names)
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def _check_patterns(selection: Selection, names: Sequence[str], zoo: str) -> None:
    """A misspelt name must not silently select nothing; a wildcard in `exclude` may."""
    for pattern in (*selection.include, *selection.exclude):
        is_plain = not any(sign in pattern for sign in "*?[")
        if (is_plain or pattern in selection.include) and not fnmatch.filter(names, pattern):
            what = "architecture" if is_plain else "architecture that matches"
            raise UnknownNameError(
                f"{zoo} has no {what} '{pattern}'.{did_you_mean(pattern, names)} See them all with: zoometer list --zoo {zoo}"
            )
