"""The interface of a zoo.

An adapter lists architectures without building a model or accessing the network, and builds one architecture at a time. Its `libraries`
are the distributions that the list depends on, the zoo's own first, such as `libraries = ("timm", "torch")`: the list is cached until one
of their versions or the adapter's source changes. Without `libraries` every refresh lists the zoo anew. `zoo.adapters.timm` is a short
example.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.errors import UnknownNameError, did_you_mean
from zoo.inputs import parse_tensors
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Selection

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Example:
    """Arguments of a forward pass. Tensors are on the meta device."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    assumption: str | None = None  # about data that decide on the cost; makes it a bound
    context: Callable[[], AbstractContextManager[Any]] = nullcontext  # around the pass; may replace operators that depend on data
    weight_bytes: int | None = None  # bytes of parameters and buffers, if they differ from those of the model that is run


@runtime_checkable
class Zoo(Protocol):
    """A collection of architectures. Every worker creates its own instances, so this must be cheap.

    Subclasses inherit defaults that suit most zoos: the version of the first of their `libraries`, no initialisers, aliases or published
    figures, and the tensors of the input as arguments.
    """

    name: str
    libraries: tuple[str, ...] = ()

    def version(self) -> str:
        """Version of the library without its build (`0.29.1`, not `0.29.1+cpu`). Cached counts of other versions are not valid."""
        return installed_version(self.libraries[0])

    def architectures(self) -> Sequence[Architecture]:
        """All architectures with their weights. Builds no model and downloads nothing."""

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Constructor arguments. Inputs with equal options share a model.

        Raises:
            InputError: if the architecture does not support the input, with the reason.
        """

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """Builds a model without trained weights, in a context that puts new tensors on the meta device."""

    def initialisers(self) -> Iterable[Callable[..., Any]]:
        """Functions of the library that only initialise tensors, as torch's and timm's. They are skipped while a model is built."""
        return ()

    def aliases(self) -> Mapping[str, str]:
        """Former names of architectures, with the present `arch` or `arch.tag`."""
        return {}

    def published_costs(self) -> Sequence[PublishedCost]:
        """Costs that the library itself publishes, for an audit."""
        return ()

    def published_accuracy(self) -> Sequence[Accuracy]:
        """Results that the library itself publishes for its weights, at the input of the measurement, read without the network.

        `retrieved_at` may be empty if the library states no date.
        """
        return ()

    def example(self, model: nn.Module, key: CostKey) -> Example:  # noqa: ARG002  # other zoos need the model
        """Arguments for the input of the key: named tensors are keyword arguments."""
        import torch

        tensors = [
            (tensor.name, torch.empty((key.batch, *tensor.shape), dtype=getattr(torch, tensor.dtype), device="meta"))
            for tensor in parse_tensors(key.input)
        ]
        named = {name: tensor for name, tensor in tensors if name is not None}
        return Example(tuple(tensor for name, tensor in tensors if name is None), named)


@cache
def installed_version(distribution: str) -> str:
    """Version of an installed distribution, without its build: builds share one Python source."""
    return metadata.version(distribution).partition("+")[0]


def options_key(options: dict[str, Any]) -> Hashable:
    """Hashable form of build options."""
    return tuple(sorted((name, repr(value)) for name, value in options.items()))


def select(architectures: Sequence[Architecture], selection: Selection) -> list[Architecture]:
    """The selected architectures, in the order of the zoo.

    Raises:
        UnknownNameError: if a pattern of `include` or `exclude` without wildcards names nothing, or `include` matches nothing.
    """
    names = [a.name for a in architectures]
    _check_patterns(selection, names, architectures[0].zoo if architectures else "")
    included = _matching_names(names, selection.include) - _matching_names(names, selection.exclude)
    return [
        a
        for a in architectures
        if a.name in included
        and (not selection.tasks or a.task in selection.tasks)
        and (not selection.pretrained_only or a.weights)
    ]


def _matching_names(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    names = list(names)
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def _check_patterns(selection: Selection, names: Sequence[str], zoo: str) -> None:
    """Checks that every pattern matches a name, except for patterns with wildcards in `exclude`."""
    for pattern in (*selection.include, *selection.exclude):
        is_plain = not any(sign in pattern for sign in "*?[")
        if (is_plain or pattern in selection.include) and not fnmatch.filter(names, pattern):
            what = "architecture" if is_plain else "architecture that matches"
            raise UnknownNameError(
                f"{zoo} has no {what} '{pattern}'.{did_you_mean(pattern, names)} See them all with: zoometer list --zoo {zoo}"
            )
