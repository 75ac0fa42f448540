"""What zoometer asks of a zoo.

An adapter lists what exists without building a model or touching the network, and builds one architecture when asked. It counts
nothing and keeps nothing. `zoo.adapters.torchvision` is the shorter of the two built-in examples.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.errors import UnknownNameError, did_you_mean
from zoo.records import Architecture, CostKey, Selection, parse_input

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Example:
    """What one forward pass is called with; its tensors are on the meta device."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    assumption: str | None = None  # what was assumed where the cost depends on data; makes the count a bound


@runtime_checkable
class Zoo(Protocol):
    """A collection of architectures. Instances are cheap to make and are made anew in every worker.

    A class that derives from this one inherits what most zoos share: no initialisers of its own, and one tensor as input.
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

    def example(self, model: nn.Module, key: CostKey) -> Example:  # noqa: ARG002  # other zoos ask the model
        """The arguments of one forward pass: here one tensor of the key's batch and input."""
        from zoo.counting.count import meta_input

        return Example((meta_input(parse_input(key.input), batch=key.batch),))


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
