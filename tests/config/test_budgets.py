"""Budgets as the configuration and the command line write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reports.columns.limits import Allowed, Limit
from reports.config.budget_section import COSTS, DATASETS, BudgetSection
from reports.config.config_file import load_config
from zoo.devices.device_names import find_device
from zoo.errors import ConfigError
from zoo.run_config import Precision


def budget_of(**keys: Any) -> BudgetSection:
    return BudgetSection.model_validate(keys)


def bounds(budget: BudgetSection, device: str | None = None) -> dict[str, float]:
    limits = budget.limits(find_device(device) if device else None)
    return {limit.column.key: limit.bound for limit in limits if isinstance(limit, Limit)}


def test_each_amount_limits_its_own_column() -> None:
    amounts = {
        "params": "6M", "macs": "0.6GMACs", "activations": "7M", "peak_memory": "200MB", "memory": "1GiB", "file_size": "25MB",
        "latency": "10ms", "throughput": "1.5K/s",
    }  # fmt: skip
    assert set(amounts) == set(COSTS)
    assert bounds(budget_of(**amounts, accuracy="80%", dataset="imagenet-real")) == {
        "params": 6e6, "macs": 6e8, "activations": 7e6, "peak_bytes": 2e8, "memory_bytes": 2**30, "file_bytes": 25e6,
        "latency_ms": 10, "samples_per_s": 1500, "imagenet_real_top1": 80,
    }  # fmt: skip
    least = [
        limit.column.key for limit in budget_of(**amounts, accuracy=80).limits() if isinstance(limit, Limit) and limit.is_least
    ]
    assert least == ["samples_per_s", "imagenet_top1"]


def test_texts_are_one_or_several_globs() -> None:
    budget = budget_of(license="apache-2.0", family=["resnet", "vit*"])
    assert [(x.column.key, x.patterns) for x in budget.limits() if isinstance(x, Allowed)] == [
        ("license", ("apache-2.0",)),
        ("family", ("resnet", "vit*")),
    ]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("rtx-4090", {"memory_bytes": 24 * 2**30}),
        ("stm32f746", {"working_bytes": 320 * 1024, "weights_at_dtype_bytes": 2**20}),
        ("rp2040", {"working_bytes": 264 * 1024}),  # its flash is outside the chip
        ("apple-m3", {}),  # its memory depends on the laptop
    ],
)
def test_a_device_limits_memory_where_it_is_known(device: str, expected: dict[str, float]) -> None:
    assert bounds(BudgetSection(), device) == expected


def test_a_limit_of_a_device_leaves_the_title_to_what_is_limited() -> None:
    (limit,) = BudgetSection().limits(find_device("rtx-4090"))
    assert (limit.title, limit.column.title) == ("Memory of the device", "Memory")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["imagenet_top1", "macs"]),
        ({"pareto": ["latency", "peak_memory"], "dataset": "imagenet-v2"}, ["imagenet_v2_top1", "latency_ms", "peak_bytes"]),
        ({"pick": "latency", "pareto": "params"}, ["latency_ms", "imagenet_top1", "params"]),
        ({"dataset": "none"}, ["macs"]),
        ({"dataset": "none", "pick": "params"}, ["params", "macs"]),
    ],
)
def test_the_pick_decides_then_accuracy_then_the_costs(options: dict[str, Any], expected: list[str]) -> None:
    assert [column.key for column in budget_of(**options).objectives()] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"params": "6Q"}, "'6Q' is not a number"),
        ({"macs": "1.2GFLOPs"}, "1 MAC is 2 FLOPs"),
        ({"latency": 10}, "Name the unit"),
        ({"accuracy": 0.8}, "write 80%"),
        ({"dataset": "imagenet"}, "not a dataset with known accuracy"),
        ({"dtype": "int3"}, "'int3' is not a dtype. Did you mean int8"),
        ({"pareto": ["latncy"]}, "'latncy' is not a name of an objective. Did you mean latency"),
        ({"pareto": []}, "at least 1 item"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"peak": "1MB"}, "Extra inputs"),
    ],
)
def test_a_mistake_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        budget_of(**options)


def test_the_configuration_has_budgets_by_name(tmp_path: Path) -> None:
    path = tmp_path / "zoometer.yaml"
    path.write_text("zoos: {timm: {}}\nbudgets:\n  phone: {params: 6M, latency: 10ms, device: pixel-8, dtype: fp16}\n")
    budget = load_config(path).budgets["phone"]
    assert (budget.params, budget.latency, budget.device, budget.dtype) == (6e6, 10, "pixel-8", Precision.FP16)
    path.write_text("zoos: {timm: {}}\nbudgets:\n  phone: {parms: 6M, peak_memory: 1Gb}\n")
    with pytest.raises(
        ConfigError, match=r"(?s)'1Gb' is not an amount.*budgets.phone.parms is not a known key\. Did you mean params"
    ):
        load_config(path)


def test_every_dataset_has_its_first_metric() -> None:
    assert DATASETS["imagenet-1k"].key == "imagenet_top1"
    assert DATASETS["coco-val2017"].key == "coco_map"  # whichever the model's task is about
