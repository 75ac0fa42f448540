"""Where an architecture spends its cost, summed from the recorded operations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from reports.leaderboard.breakdown import OTHER, read_breakdown
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEAD: dict[str, Any] = {"zoo": "timm", "input": "3x224x224", "classes": 10, "variant": "base", "batch": 1}


def breakdown_of(
    folder: Path,
    modules: list[tuple[str, str, int, int]],
    *,
    arch: str = "net",
    older: list[tuple[str, str, int, int]] | None = None,
) -> pd.DataFrame:
    """The breakdown of one architecture with these operations: (module, kind, MACs, bytes), half read and half written."""
    store = Store(folder)
    store.prepare()
    for calls, counted_at in ((older or [], NOW - timedelta(days=1)), (modules, NOW)):
        rows = [
            HEAD
            | {"arch": arch, "position": n, "module": module, "kind": kind, "macs": macs, "calls": 1, "counted_at": counted_at}
            | {"bytes_in": size // 2, "bytes_out": size - size // 2}
            for n, (module, kind, macs, size) in enumerate(calls)
        ]
        store.append("ops", table_of("ops", rows))
    costs = pd.DataFrame([HEAD | {"arch": arch, "counted_at": NOW}])
    costs = costs.astype({"classes": "Int64", "counted_at": "datetime64[us, UTC]"})
    return read_breakdown(store, costs)


def parts(table: pd.DataFrame, by: str) -> dict[str, tuple[int, int]]:
    rows = table[table["by"] == by]
    return dict(zip(rows["part"], zip(rows["macs"], rows["bytes_moved"], strict=True), strict=True))


CALLS = [
    ("stem.conv", "conv", 100, 40),
    ("layer1.0.conv1", "conv", 300, 80),
    ("layer1.1.conv1", "conv", 200, 60),
    ("layer1.1.bn", "norm", 0, 50),
    ("head.fc", "linear", 600, 10),
]


def test_costs_are_summed_by_class_of_operation_the_largest_first(tmp_path: Path) -> None:
    found = parts(breakdown_of(tmp_path, CALLS), "operation")
    assert found == {"conv": (600, 180), "linear": (600, 10), "norm": (0, 50)}
    assert list(found) == ["conv", "linear", "norm"]


def test_a_stage_is_a_module_at_the_first_level_and_a_large_list_is_opened(tmp_path: Path) -> None:
    found = parts(breakdown_of(tmp_path, CALLS), "stage")
    assert found == {"stem": (100, 40), "layer1.0": (300, 80), "layer1.1": (200, 110), "head": (600, 10)}  # 190 of 240 bytes
    assert list(found) == ["stem", "layer1.0", "layer1.1", "head"]


def test_a_list_of_many_elements_stays_one_stage(tmp_path: Path) -> None:
    calls = [(f"blocks.{n}.mlp", "linear", 100, 10) for n in range(24)]
    assert parts(breakdown_of(tmp_path, calls), "stage") == {"blocks": (2400, 240)}


def test_small_stages_are_joined_and_nothing_is_lost(tmp_path: Path) -> None:
    calls = [(f"part{n}.conv", "conv", 1000, 1000) for n in range(20)] + [("", "copy", 0, 1), ("tiny.norm", "norm", 0, 2)]
    found = parts(breakdown_of(tmp_path, calls), "stage")
    assert len(found) == 15
    assert list(found)[-1] == OTHER
    assert found[OTHER] == (6 * 1000, 6 * 1000 + 3)


def test_operations_outside_any_module_are_named(tmp_path: Path) -> None:
    assert parts(breakdown_of(tmp_path, [("", "matmul", 5, 4)]), "stage") == {"(top level)": (5, 4)}


def test_operations_of_an_older_count_do_not_count(tmp_path: Path) -> None:
    found = breakdown_of(tmp_path, CALLS, older=[("old.conv", "conv", 999, 999)])
    assert parts(found, "operation")["conv"] == (600, 180)
    assert "old" not in parts(found, "stage")


def test_an_architecture_of_no_fixed_head_has_its_breakdown_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    row = HEAD | {"arch": "net", "classes": None, "position": 0, "module": "a.b", "kind": "conv", "macs": 7, "calls": 1}
    store.append("ops", table_of("ops", [row | {"bytes_in": 1, "bytes_out": 2, "counted_at": NOW}]))
    costs = pd.DataFrame([HEAD | {"arch": "net", "classes": pd.NA, "counted_at": NOW}])
    costs = costs.astype({"classes": "Int64", "counted_at": "datetime64[us, UTC]"})
    assert parts(read_breakdown(store, costs), "stage") == {"a": (7, 3)}


def test_an_empty_cache_has_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    assert read_breakdown(store, pd.DataFrame(columns=[*HEAD, "arch", "counted_at"])).empty
