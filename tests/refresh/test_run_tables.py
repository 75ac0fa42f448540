"""What a run leaves beside its row: the accuracies in force, named by their content, with what the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from zoo.records import Accuracy, Architecture, Task, Weights
from zoo.refresh.run_tables import results_table
from zoo.settings import ZooSettings


def net(name: str = "net") -> Architecture:
    weights = tuple(Weights("mine", name, tag, Task.CLASSIFICATION, "imagenet-1k", 1000, "3x224x224") for tag in ("a", "b"))
    return Architecture("mine", name, Task.CLASSIFICATION, "nets", "3x224x224", 1000, weights=weights)


def top1(value: float, tag: str = "a", arch: str = "net", retrieved_at: str = "2026-01-01") -> Accuracy:
    return Accuracy("mine", arch, tag, "imagenet-1k", "top1", "3x288x288", value, "a table", retrieved_at)


def table(
    *results: Accuracy, models: Sequence[Architecture] = (net(),), settings: ZooSettings | None = None
) -> tuple[str, list[dict[str, object]]]:
    named = results_table({"mine": models}, {"mine": results}, {"mine": settings or ZooSettings()})
    return named.name, named.rows.to_pylist()


def test_a_row_says_the_model_its_head_its_input_and_the_value() -> None:
    name, (row,) = table(top1(80.5))
    expected = {"zoo": "mine", "arch": "net", "tag": "a", "task": "classification", "family": "nets", "classes": 1000}
    assert row == {**expected, "results": name, "input": "3x288x288", "dataset": "imagenet-1k", "metric": "top1", "value": 80.5}


def test_the_name_is_that_of_the_values_whatever_their_order_and_date() -> None:
    first = table(top1(80), top1(81, "b"))
    assert table(top1(81, "b", retrieved_at="2026-02-02"), top1(80)) == first
    assert table(top1(80), top1(81.5, "b"))[0] != first[0]


def test_only_selected_models_have_rows() -> None:
    results = (top1(80), top1(70, arch="other"), top1(60, "unknown"))
    assert [row["value"] for row in table(*results)[1]] == [80]
    assert table(*results, models=())[1] == []


@pytest.mark.parametrize(("settings", "expected"), [(ZooSettings(classes=10), (10, "3x288x288")), (ZooSettings(in_channels=1), (1000, "1x288x288"))])  # fmt: skip
def test_classes_and_input_are_those_that_are_counted(settings: ZooSettings, expected: tuple[int, str]) -> None:
    _, (row,) = table(top1(80), settings=settings)
    assert (row["classes"], row["input"]) == expected
