"""A cache with two runs, whose difference a test looks at."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from cache_rows import NOON, cost, costs_of

from zoo.cache.schema.tables import KEY, table_of
from zoo.cache.store import Store

OLD: dict[str, Any] = {"library_version": "1.0", "torch_version": "2.0", "counter_version": "1"}
NEW: dict[str, Any] = {**OLD, "library_version": "1.1"}


class History:
    """Runs written row by row."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.prepare()
        self._minutes = 0

    def run(self, name: str, archs: list[str], rows: list[dict[str, Any]], **more: Any) -> None:
        """A run that planned these architectures and counted these rows."""
        self._minutes += 10
        began = NOON + timedelta(minutes=self._minutes)
        row: dict[str, Any] = {
            "run": name,
            "status": "done",
            "config": "c.yaml",
            "plan": f"plan of {name}",
            "versions": "timm 1.0",
        }
        row |= {"started_at": began, "finished_at": began + timedelta(minutes=5), **more}
        self.store.append("runs", table_of("runs", [row]))
        keys = [{**{column: cost(arch)[column] for column in KEY}, "plan": row["plan"]} for arch in archs]
        self.store.append("plans", table_of("plans", keys))
        counted = [{**OLD, **values, "run": name, "counted_at": began + timedelta(minutes=1)} for values in rows]
        self.store.append("costs", costs_of(*counted))


def failed(arch: str, reason: str = "run: ValueError: no", **more: Any) -> dict[str, Any]:
    return {**cost(arch), "status": "failed", "reason": reason, **more}
