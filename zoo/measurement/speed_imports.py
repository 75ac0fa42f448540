"""Imports measured speeds from files into the table `speed`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store
from zoo.devices.device_names import DeviceNames
from zoo.errors import SpeedError
from zoo.measurement.speed_tables import Speed, read_speeds
from zoo.records import SPEED_KEY, Architecture, Unmatched

_ZOOS = ("timm", "torchvision")
"""Zoos that are listed if the cache has no architectures."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of importing one file."""

    file: str
    added: int
    known: int  # rows that the table already has
    unmatched: tuple[Unmatched, ...]


def import_speeds(
    cache: str, files: Sequence[Path], devices: DeviceNames | None = None, given: Mapping[str, Any] | None = None
) -> list[Imported]:
    """Adds the rows of timm's tables, or of a user's own, to the table `speed`, except rows that it already has.

    Args:
        cache: where the table is.
        files: each as `zoo.measurement.speed_tables` describes.
        devices: those that a device's name in a file may stand for.
        given: values of columns for rows that lack them, as in `read_speeds`.

    Raises:
        SpeedError: if a file is no such table, or every row of it is wrong; then nothing of any file is added.
        CacheError: if the cache cannot be written.
    """
    store = Store(cache)
    store.prepare()
    architectures = known_architectures(store)
    read = [(file, read_speeds(file, architectures, devices, given)) for file in files]
    rows = [(file, _speed_rows(file, table.rows), table.unmatched) for file, table in read]
    known = set(map(_identity, store.read("speed", [*SPEED_KEY, "latency_ms", "source"]).to_pylist()))
    run = uuid.uuid4().hex[:12]
    imported = []
    for file, records, unmatched in rows:
        new = [record for record in records if _identity(record) not in known]
        known.update(map(_identity, new))
        store.append("speed", table_of("speed", ({**record, "run": run} for record in new)))
        imported.append(Imported(str(file), len(new), len(records) - len(new), unmatched))
    return imported


def known_speeds(
    store: Store, device: str, files: Sequence[Path] = (), devices: DeviceNames | None = None, *, cached: bool = True
) -> pd.DataFrame:
    """Measurements on one device: of the files, and of the table `speed` where no file has the same one.

    Args:
        store: the cache.
        device: id of the device.
        files: tables of speeds, which are not imported.
        devices: those that a device's name in a file may stand for.
        cached: whether the table's measurements are included.

    Raises:
        SpeedError: if a file is no table of speeds.
    """
    architectures = known_architectures(store) if files else []
    rows = [record for file in files for record in _speed_rows(file, read_speeds(file, architectures, devices).rows)]
    given = pd.DataFrame([record for record in rows if record["device"] == device], columns=[*Speed._fields])
    stored = store.speeds(device)[[*Speed._fields]].iloc[: None if cached else 0]
    both = pd.concat([frame for frame in (given.astype(object), stored.astype(object)) if len(frame)] or [given])
    return both.drop_duplicates(list(SPEED_KEY)).infer_objects().reset_index(drop=True)


def known_architectures(store: Store) -> list[Architecture]:
    """The architectures in the cache or, if it has none, those of the installed zoos."""
    from zoo.refresh.fill_missing import list_architectures  # slow to import, and seldom needed

    return store.architectures() or list_architectures(store.address, _ZOOS)


def _speed_rows(file: Path, rows: Iterable[Speed]) -> list[dict[str, Any]]:
    from zoo.measurement.plan import MEASURED  # slow to import too

    now = datetime.now(UTC)
    more = {"status": MEASURED, "added_at": now}
    return [{**row._asdict(), **more, "measured_at": _parse_time(file, row.measured_at)} for row in rows]


def _parse_time(file: Path, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SpeedError(f"{file}: measured_at is '{text}', and must be a date and time as in 2026-01-31T12:00:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Identifies one figure of one source; a new measurement differs."""
    return (*(row[name] for name in SPEED_KEY), row["latency_ms"], row["source"])
