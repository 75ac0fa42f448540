"""A cache whose tables a test writes row by row, and the report made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from reports.leaderboard.leaderboard_report import build_leaderboard_report
from reports.leaderboard.report import Report
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store
from zoo.records import Selection
from zoo.settings import RefreshSettings, ZooSettings

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Cache:
    """Tables written row by row, with defaults that make a usable model."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.prepare()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._minutes = 0

    def add(self, table: str, **row: Any) -> None:
        self._rows.setdefault(table, []).append(row)

    def arch(
        self, name: str, *, zoo: str = "timm", task: str = "classification", classes: int | None = 1000, **more: Any
    ) -> None:
        row = {"zoo": zoo, "arch": name, "task": task, "family": "family", "input": "3x224x224", "classes": classes}
        self.add("architectures", **{**row, **more})

    def weights(self, arch: str, tag: str, *, zoo: str = "timm", task: str = "classification", **more: Any) -> None:
        row = {"zoo": zoo, "arch": arch, "tag": tag, "task": task, "family": "family", "input": "3x224x224", "classes": 1000}
        self.add("weights", **{**row, **more})

    def cost(
        self, arch: str, macs: int | None, *, zoo: str = "timm", input: str = "3x224x224", classes: int | None = 1000, **more: Any
    ) -> None:
        self._minutes += 1
        row = {
            "zoo": zoo,
            "arch": arch,
            "input": input,
            "classes": classes,
            "variant": "base",
            "batch": 1,
            "status": "exact",
            "macs": macs,
        }
        versions = {"library_version": "1.0", "torch_version": "2.0", "counter_version": "1"}
        self.add("costs", **{**row, **versions, "counted_at": NOON + timedelta(minutes=self._minutes), **more})

    def accuracy(self, arch: str, tag: str, value: float, *, zoo: str = "timm", input: str = "3x224x224", **more: Any) -> None:
        row = {"zoo": zoo, "arch": arch, "tag": tag, "dataset": "imagenet-1k", "metric": "top1", "input": input, "value": value}
        self.add("accuracy", **{**row, "source": "a table", "retrieved_at": "2026-01-02T03:04:05+00:00", **more})

    def model(self, arch: str, macs: int, top1: float | None, **more: Any) -> None:
        """An architecture with weights `in1k`, its cost and its accuracy."""
        self.arch(arch, **more)
        self.weights(arch, "in1k", **more)
        self.cost(arch, macs, **{name: value for name, value in more.items() if name == "zoo"})
        if top1 is not None:
            self.accuracy(arch, "in1k", top1, **{name: value for name, value in more.items() if name == "zoo"})

    def report(
        self,
        selection: Selection = Selection(),
        inputs: tuple[str, ...] = ("native",),
        zoos: tuple[str, ...] = ("timm",),
        **axes: Any,
    ) -> Report:
        for table, rows in self._rows.items():
            self.store.append(table, table_of(table, rows))
        self._rows.clear()
        settings = RefreshSettings(self.store.address, {zoo: ZooSettings(selection, inputs, **axes) for zoo in zoos})
        return build_leaderboard_report(settings, title="A title")


def column(report: Report, name: str) -> dict[tuple[str, str], Any]:
    """A column of the leaderboard by model and input, with unknown as None."""
    table = report.leaderboard
    keys = zip(table["model"], table["input"], strict=True)
    return dict(zip(keys, [None if pd.isna(value) else value for value in table[name]], strict=True))
