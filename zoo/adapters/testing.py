"""A conformance test for any zoo: checks everything that zoometer relies on.

    from zoo.adapters.testing import assert_conforms

    def test_acme_conforms():
        assert_conforms(AcmeZoo())

Listing must build no model and open no connection, the records must be consistent, published figures must belong to listed models, and at
least 98 % of the architectures must be counted on the meta device, apart from those that the zoo declares uncountable with a reason. The
test needs neither pytest nor an installed entry point.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, NoReturn
from unittest import mock

from torch import nn

from zoo.adapters.base import Zoo, options_key
from zoo.api.example_cost import count_example
from zoo.counting.cost import Cost
from zoo.errors import InputError, VariantError, ZooError
from zoo.inputs import format_tensors, image_tensor, parse_tensors, resize_input
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import Architecture, CostKey, Task, Variant, Weights

LEAST_SHARE = 0.98
"""Fraction of the listed architectures that must be counted, without those that the zoo declares uncountable."""


@dataclass(frozen=True, slots=True)
class CountReport:
    """Results of counting architectures at their native inputs."""

    counted: Mapping[str, Cost] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)  # exception and message
    uncountable: Mapping[str, str] = field(default_factory=dict)  # the zoo's reason

    @property
    def share(self) -> float:
        """Fraction of the architectures not declared uncountable that were counted; 1 if there are none."""
        tried = len(self.counted) + len(self.failed)
        return len(self.counted) / tried if tried else 1.0


def assert_conforms(zoo: Zoo, *, count: Iterable[str] | None = None, least_share: float = LEAST_SHARE) -> CountReport:
    """Checks a zoo, and counts its architectures at their native inputs.

    Args:
        zoo: an instance of the adapter.
        count: names of the architectures to count. Default: all of them.
        least_share: fraction of them that must be counted.

    Raises:
        AssertionError: with all problems, one per line.
    """
    architectures, problems = check_listing(zoo)
    problems += check_figures(zoo, architectures)
    chosen = None if count is None else set(count)
    problems += [f"there is no architecture {name!r} to count" for name in (chosen or set()) - {a.name for a in architectures}]
    report = count_architectures(zoo, [a for a in architectures if chosen is None or a.name in chosen])
    if report.share < least_share:
        problems.append(f"{report.share:.1%} of the architectures are counted, {least_share:.0%} must be")
        problems += [f"{name}: {why}" for name, why in report.failed.items()]
    assert not problems, "\n".join(f"{zoo.name}: {problem}" for problem in problems)
    return report


def check_listing(zoo: Zoo) -> tuple[list[Architecture], list[str]]:
    """The architectures of a zoo, listed without building a model and without the network, and the problems with them."""
    problems: list[str] = []
    try:
        with _forbid_call(nn.Module, "__init__", "a model was built"), _without_network():
            architectures, again = list(zoo.architectures()), list(zoo.architectures())
    except _RefusedError as error:
        return [], [f"while listing, {error}"]
    if not (isinstance(zoo.version(), str) and zoo.version()):
        problems.append(f"version() is {zoo.version()!r}, not a text")
    if architectures != again:
        problems.append("two listings differ")
    if not architectures:
        problems.append("nothing is listed")
    problems += [f"{name!r} is listed {n} times" for name, n in Counter(a.name for a in architectures).items() if n > 1]
    problems += [f"{a.name}: {problem}" for a in architectures for problem in _problems_of(a, zoo.name)]
    for library in zoo.libraries:
        try:
            metadata.version(library)
        except metadata.PackageNotFoundError:
            problems.append(f"libraries names {library!r}, which is no installed distribution")
    return architectures, problems


def _problems_of(architecture: Architecture, zoo: str) -> Iterator[str]:
    a = architecture
    if a.zoo != zoo:
        yield f"its zoo is {a.zoo!r}"
    if not a.name or "/" in a.name or any(sign.isspace() for sign in a.name):
        yield "a name must not be empty or contain slashes or spaces"
    if a.weights and "." in a.name:
        yield "a name with weights must not contain a dot, which separates the tag"
    if a.task not in list(Task):
        yield f"its task {a.task!r} is none of {', '.join(Task)}"
    if Variant.BASE not in a.variants or not set(a.variants) <= set(Variant):
        yield f"its variants {a.variants} lack 'base' or are unknown"
    yield from _problems_of_input(a.input)
    if a.inputs and a.inputs[0] != a.input:
        yield "its first input is not its native one"
    yield from _problems_of_weights(a)
    if pickle.loads(pickle.dumps(a)) != a:  # noqa: S301  # it was pickled in this line
        yield "it changes when it is pickled"


def _problems_of_weights(architecture: Architecture) -> Iterator[str]:
    weights = architecture.weights
    for w in weights:
        if (w.zoo, w.arch) != (architecture.zoo, architecture.name):
            yield f"weights {w.tag!r} belong to {w.zoo}/{w.arch}"
        yield from _problems_of_input(w.input)
    yield from (f"{n} weights have the tag {tag!r}" for tag, n in Counter(w.tag for w in weights).items() if n > 1)
    if sum(w.is_default for w in weights) > 1:
        yield "several weights are the default"


def _problems_of_input(text: str) -> Iterator[str]:
    try:
        canonical = format_tensors(parse_tensors(text))
    except InputError as error:
        yield str(error)
    else:
        if canonical != text:
            yield f"its input {text!r} is written {canonical!r}"


def check_figures(zoo: Zoo, architectures: Iterable[Architecture]) -> list[str]:
    """Problems of aliases and published figures: those that belong to no listed model or have no value."""
    listed = list(architectures)
    names = {a.name for a in listed}
    weights: dict[tuple[str, str], Weights] = {(w.arch, w.tag): w for a in listed for w in a.weights}
    with _without_network():
        aliases, costs, results = zoo.aliases(), zoo.published_costs(), zoo.published_accuracy()
    problems = [
        f"alias {old!r} leads to {new!r}, which is not listed"
        for old, new in aliases.items()
        if new not in names and new.partition(".")[0] not in names
    ]
    for cost in costs:
        is_known = cost.arch in names and (not cost.tag or (cost.arch, cost.tag) in weights)
        if not is_known or not any((figure or 0) > 0 for figure in (cost.params, cost.gmacs, cost.gflops)):
            problems.append(f"the published cost of {cost.arch!r} with tag {cost.tag!r} is of no listed model, or empty")
    for row in results:
        if (row.arch, row.tag) not in weights or row.zoo != zoo.name:
            problems.append(f"the published {row.metric} of {row.arch!r} with tag {row.tag!r} is of no listed weights")
        if not math.isfinite(row.value) or not (row.dataset and row.metric and row.source):
            problems.append(f"the published {row.metric} of {row.arch!r} lacks a value, a dataset or a source")
    keys = Counter((row.arch, row.tag, row.dataset, row.metric, row.input) for row in results)
    return problems + [f"{n} results are published for {key}" for key, n in keys.items() if n > 1]


def count_architectures(
    zoo: Zoo, architectures: Iterable[Architecture], progress: Callable[[str], None] = lambda _: None
) -> CountReport:
    """Counts architectures at their native inputs, one after another in this process and without the network."""
    counted: dict[str, Cost] = {}
    failed: dict[str, str] = {}
    uncountable: dict[str, str] = {}
    memo = Memo()
    for architecture in architectures:
        if architecture.uncountable:
            uncountable[architecture.name] = architecture.uncountable
            continue
        progress(architecture.name)
        try:
            with _without_network():
                counted[architecture.name] = _count_architecture(zoo, architecture, memo)
        except Exception as error:  # noqa: BLE001  # a model may raise anything
            failed[architecture.name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return CountReport(counted, failed, uncountable)


def _count_architecture(zoo: Zoo, architecture: Architecture, memo: Memo) -> Cost:
    key = CostKey(zoo.name, architecture.name, architecture.input, architecture.classes)
    _try_odd_size(zoo, key)
    options = zoo.build_options(key)
    if options_key(options) != options_key(zoo.build_options(key)):
        raise ZooError("build_options differ between two calls with equal keys")

    def build() -> nn.Module:
        return build_on_meta(lambda: zoo.build(key.arch, options), zoo.initialisers())

    model = build()
    cost = count_example(model, zoo.example(model, key), memo, build)
    if not all(parameter.is_meta for parameter in model.parameters()):
        raise ZooError("a parameter is not on the meta device")
    if not cost.operations:
        raise ZooError("its forward pass does nothing")
    return cost


def _try_odd_size(zoo: Zoo, key: CostKey) -> None:
    """Checks that an unusual size is accepted or refused with an `InputError` or a `VariantError`."""
    shape = image_tensor(key.input).shape
    if len(shape) >= 3:
        odd = resize_input(f"{shape[-2] + 1}x{shape[-1] + 3}", key.input)
        with contextlib.suppress(InputError, VariantError):
            zoo.build_options(key._replace(input=odd))


class _RefusedError(Exception):
    """The zoo did something forbidden."""


def _forbid_call(owner: Any, name: str, what: str) -> contextlib.AbstractContextManager[Any]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise _RefusedError(what)

    return mock.patch.object(owner, name, refuse)


@contextlib.contextmanager
def _without_network() -> Iterator[None]:
    with contextlib.ExitStack() as contexts:
        for owner, name in ((socket.socket, "connect"), (socket, "create_connection"), (socket, "getaddrinfo")):
            contexts.enter_context(_forbid_call(owner, name, "the network was used"))
        yield
