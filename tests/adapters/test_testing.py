"""The conformance test: what it finds in a zoo that does not hold to the protocol."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from torch import nn

from zoo.adapters.base import Zoo
from zoo.adapters.testing import CountReport, assert_conforms
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Task, Weights

INPUT, CLASSES, WIDTH = "3x8x8", 10, 4
MACS = 8 * 8 * 3 * WIDTH + 8 * 8 * WIDTH * CLASSES


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, WIDTH, 1), nn.Conv2d(WIDTH, CLASSES, 1))


class GoodZoo(Zoo):
    """A zoo of three equal networks, each with weights."""

    name = "good"

    def version(self) -> str:
        return "1"

    def architectures(self) -> Sequence[Architecture]:
        return [self.describe(name) for name in ("one", "two", "three")]

    def describe(self, name: str) -> Architecture:
        weights = Weights(self.name, name, "a", Task.CLASSIFICATION, "set", CLASSES, INPUT, is_default=True)
        return Architecture(self.name, name, Task.CLASSIFICATION, "net", INPUT, CLASSES, weights=(weights,))

    def build_options(self, key: CostKey) -> dict[str, Any]:
        return {}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        return net()


def zoo_with(**methods: Callable[..., Any]) -> Zoo:
    changed: Zoo = type("ChangedZoo", (GoodZoo,), methods)()
    return changed


def listing_with(**fields: Any) -> Callable[[GoodZoo], list[Architecture]]:
    return lambda zoo: [dataclasses.replace(zoo.describe("one"), **fields)]


def test_a_zoo_that_holds_to_the_protocol_passes_and_is_counted() -> None:
    report = assert_conforms(GoodZoo())
    assert {name: cost.macs for name, cost in report.counted.items()} == dict.fromkeys(("one", "two", "three"), MACS)
    assert (report.share, report.failed, report.uncountable) == (1.0, {}, {})


def test_only_the_asked_for_are_counted() -> None:
    assert set(assert_conforms(GoodZoo(), count=["two"]).counted) == {"two"}
    with pytest.raises(AssertionError, match="good: there is no architecture 'four' to count"):
        assert_conforms(GoodZoo(), count=["four"])


def test_what_a_zoo_calls_uncountable_is_not_counted_and_lowers_no_share() -> None:
    report = assert_conforms(zoo_with(architectures=listing_with(uncountable="it takes no image")))
    assert (report.share, report.uncountable) == (1.0, {"one": "it takes no image"})
    assert CountReport({}, {"a": "broken"}).share == 0.0


def build_three(zoo: GoodZoo, arch: str, options: dict[str, Any]) -> nn.Module:
    if arch == "three":
        raise ValueError("has no such layer")
    return net()


def test_the_share_decides_and_every_failure_is_named() -> None:
    broken = zoo_with(build=build_three)
    assert assert_conforms(broken, least_share=0.6).failed == {"three": "ValueError: has no such layer"}
    with pytest.raises(
        AssertionError, match=r"66\.7% of the architectures are counted, 98% must be\n.*three: ValueError: has no"
    ):
        assert_conforms(broken)


def resolve(zoo: GoodZoo, *_: Any) -> Any:
    return socket.getaddrinfo("localhost", 80)


def test_the_network_is_refused_while_listing_and_while_building() -> None:
    with pytest.raises(AssertionError, match="good: while listing, the network was used"):
        assert_conforms(zoo_with(architectures=resolve))
    with pytest.raises(AssertionError, match="one: _RefusedError: the network was used"):
        assert_conforms(zoo_with(build=resolve))


def test_listing_builds_no_model() -> None:
    with pytest.raises(AssertionError, match="while listing, a model was built"):
        assert_conforms(zoo_with(architectures=lambda zoo: [net()]))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"zoo": "other"}, "its zoo is 'other'"),
        ({"name": "a/b", "weights": ()}, "contain slashes"),
        ({"task": "guessing"}, "its task 'guessing' is none of"),
        ({"input": "3 by 8"}, "is not an input shape"),
        ({"input": "3x8X8"}, "its input '3x8X8' is written '3x8x8'"),
        ({"variants": ("deploy",)}, "lack 'base'"),
        ({"inputs": ("3x9x9",)}, "its first input is not its native one"),
        ({"weights": GoodZoo().describe("one").weights * 2}, "2 weights have the tag 'a'"),
        ({"weights": GoodZoo().describe("two").weights}, "weights 'a' belong to good/two"),
    ],
)
def test_a_record_that_is_not_consistent_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert_conforms(zoo_with(architectures=listing_with(**fields)))


def result(tag: str = "a", value: float = 50.0) -> Accuracy:
    return Accuracy("good", "one", tag, "set", "top1", INPUT, value, "a paper", "")


@pytest.mark.parametrize(
    ("methods", "problem"),
    [
        ({"aliases": lambda zoo: {"old": "gone"}}, "alias 'old' leads to 'gone', which is not listed"),
        ({"published_costs": lambda zoo: [PublishedCost("gone", "", INPUT, 5, None, 0)]}, "the published cost of 'gone'"),
        ({"published_costs": lambda zoo: [PublishedCost("one", "a", INPUT, None, None, 0)]}, "of no listed model, or empty"),
        ({"published_accuracy": lambda zoo: [result("b")]}, "top1 of 'one' with tag 'b' is of no listed weights"),
        ({"published_accuracy": lambda zoo: [result(value=float("nan"))]}, "lacks a value"),
        ({"published_accuracy": lambda zoo: [result(), result(value=51.0)]}, "2 results are published for"),
    ],
)
def test_figures_belong_to_what_is_listed(methods: dict[str, Callable[..., Any]], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert_conforms(zoo_with(**methods))
