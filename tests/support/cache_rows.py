"""Rows of the cache's tables that a test writes, and the part files they end in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


BIG = 2**53 + 1  # the first whole number a float cannot hold


def cost(arch: str = "small", *, minutes: int = 0, classes: int | None = 1000, **figures: Any) -> dict[str, Any]:
    key = {"zoo": "timm", "arch": arch, "input": "3x224x224", "classes": classes, "variant": "base", "batch": 1}
    return {**key, "status": "exact", "counted_at": NOON + timedelta(minutes=minutes), **figures}


def costs_of(*rows: dict[str, Any]) -> pa.Table:
    return table_of("costs", rows)


def weights_of(zoo: str, *tags: str) -> pa.Table:
    return table_of("weights", [{"zoo": zoo, "arch": "small", "tag": tag, "classes": 10, "is_default": False} for tag in tags])


def parts(store: Store, table: str = "costs") -> list[Path]:
    return sorted(Path(store.address, table).glob("*.parquet"))


def everything(store: Store) -> list[Path]:
    return [path for path in Path(store.address).rglob("*") if path.is_file()]
