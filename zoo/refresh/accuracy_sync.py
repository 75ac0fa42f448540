"""Published accuracy of what the zoos have: read where it may have changed, and otherwise the results the cache keeps.

What could not be had this time stays as it was, with its date, unless what comes with zoometer is newer.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zoo.accuracy import timm as timm_tables
from zoo.accuracy.result_tables import ResultTable
from zoo.accuracy.snapshot import is_of_snapshot, provenance
from zoo.adapters.declared import DeclaredZoo
from zoo.addresses import redacted
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.parts import Notes
from zoo.cache.store import Store
from zoo.errors import AccuracyError
from zoo.records import Accuracy, AccuracyTable, Weights
from zoo.refresh.catalogue import ZooListing
from zoo.settings import Listener, RefreshSettings

_NOTE = "published"
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Published:
    """One zoo's results. `table` is None where those in the cache stay."""

    rows: tuple[Accuracy, ...]
    table: AccuracyTable | None = None
    note: Notes = dataclasses.field(default_factory=dict)


class _Kept:
    """The results in the cache, and what they were made of; read when they are needed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.notes = {zoo: notes.get(_NOTE, {}) for zoo, notes in store.notes("accuracy").items()}

    def rows(self, zoo: str) -> tuple[Accuracy, ...]:
        return tuple(row for row in self._all() if row.zoo == zoo)

    def _all(self) -> list[Accuracy]:
        return self._store.accuracy()


def sync_accuracy(
    settings: RefreshSettings, listings: Mapping[str, ZooListing], store: Store, listener: Listener
) -> dict[str, Published]:
    """The results of each zoo that has some.

    Raises:
        AccuracyError: if a table that the settings name cannot be read, and the cache keeps nothing of it.
    """
    kept = _Kept(store)
    found: dict[str, Published] = {}
    for name, listing in listings.items():
        if models := settings.zoos[name].models:
            rows = tuple(DeclaredZoo(name, models).accuracy())
            found[name] = Published(rows, AccuracyTable(rows))
        elif name == "torchvision":
            found[name] = _of_torchvision(listing, kept)
        elif name == "timm":
            found[name] = _of_timm(settings, listing, kept, listener)
    return found


def save_accuracy(store: Store, published: Mapping[str, Published]) -> None:
    """Commits the results that were read, and those that belong to no weights."""
    new = {name: one for name, one in published.items() if one.table is not None}
    if not new:
        return
    tables = {name: one.table for name, one in new.items() if one.table is not None}
    unmatched = [{**_row(row), "zoo": name} for name, table in tables.items() for row in table.unmatched]
    store.replace("unmatched", table_of("unmatched", unmatched), set(new))
    rows = [_row(row) for table in tables.values() for row in table.rows]
    notes = {name: {_NOTE: one.note} for name, one in new.items() if one.note}
    store.replace("accuracy", table_of("accuracy", rows), set(new), notes)


def _row(record: object) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}  # type: ignore[arg-type]


def _of_torchvision(listing: ZooListing, kept: _Kept) -> Published:
    """torchvision states the accuracy of its weights itself: it changes with the list, never else."""
    note = {"depends_on": listing.depends_on}
    if listing.depends_on and not listing.is_new and kept.notes.get("torchvision") == note:
        return Published(kept.rows("torchvision"))
    from zoo.accuracy.torchvision import read_torchvision

    table = read_torchvision(_weights(listing))
    return Published(table.rows, table, note)


def _of_timm(settings: RefreshSettings, listing: ZooListing, kept: _Kept, listener: Listener) -> Published:
    note = kept.notes.get("timm", {})
    max_age = timedelta(days=settings.accuracy_max_age_days)
    is_same_list = bool(listing.depends_on) and not listing.is_new and note.get("depends_on") == listing.depends_on
    if is_same_list and _was_just_fetched(settings.timm_results, note, max_age):
        return Published(kept.rows("timm"))
    try:
        found = timm_tables.find_tables(
            version=listing.library_version, results=settings.timm_results, fetch=settings.fetch_accuracy, max_age=max_age
        )
    except AccuracyError as error:
        if note.get("results") != _shown(settings.timm_results):
            raise
        rows = kept.rows("timm")
        since = f" The results of {_newest(rows)} stay in use." if rows else ""
        listener.notify(f"{error}{since}")
        return Published(rows)
    if found.why_not_newer:
        if note.get("results") is None and (rows := _downloaded_since(provenance().retrieved_at, kept.rows("timm"))):
            listener.notify(f"timm's results of {_newest(rows)} stay in use: newer ones {found.why_not_newer}.")
            return Published(rows)
        listener.notify(
            f"timm's results are those of {provenance().date} that come with zoometer: newer ones {found.why_not_newer}."
        )
    for warning in timm_tables.missing_main_table(found.tables):
        listener.notify(warning)
    made_of = {
        "depends_on": listing.depends_on,
        "results": _shown(settings.timm_results),
        "digest": _digest(found.tables),
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if is_same_list and note.get("digest") == made_of["digest"] and not _is_web(settings.timm_results):
        return Published(kept.rows("timm"))
    table = timm_tables.join_tables(found.tables, _weights(listing), listing.library_version)
    return Published(table.rows, table, made_of)


def _downloaded_since(moment: str, rows: tuple[Accuracy, ...]) -> tuple[Accuracy, ...]:
    """The rows, if some of them were downloaded, and not before that moment: what came with zoometer does not replace these."""
    return rows if any(not is_of_snapshot(row.source) and row.retrieved_at >= moment for row in rows) else ()


def _newest(rows: tuple[Accuracy, ...]) -> str:
    return max(row.retrieved_at for row in rows)[:10]


def _shown(results: str | None) -> str | None:
    """An address as it may be kept: without credentials."""
    return redacted(results) if results else results


def _is_web(results: str | None) -> bool:
    return bool(results and results.startswith(_WEB))


def _was_just_fetched(results: str | None, note: Notes, max_age: timedelta) -> bool:
    """Whether an address that would have to be fetched was, within the time its tables are trusted for."""
    if not _is_web(results) or note.get("results") != _shown(results):
        return False
    return datetime.fromisoformat(note["checked_at"]) > datetime.now(UTC) - max_age


def _digest(tables: list[ResultTable]) -> str:
    text = "\n".join(f"{table.dataset} {table.source} {table.retrieved_at} {table.revision}" for table in tables)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _weights(listing: ZooListing) -> list[Weights]:
    return [weights for architecture in listing.architectures for weights in architecture.weights]
