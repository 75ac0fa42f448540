"""Syncs the published accuracy of the zoos' weights into the cache. Sources that may have changed are read.

If a source cannot be read, the cached results are kept with their dates, unless those that come with zoometer are newer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from zoo.accuracy import timm as timm_tables
from zoo.accuracy.result_tables import ResultTable
from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance
from zoo.adapters.registry import open_zoo
from zoo.addresses import redacted
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.parts import Notes
from zoo.cache.store import Store
from zoo.errors import AccuracyError
from zoo.records import Accuracy, AccuracyTable, DeclaredModel, Weights, as_row
from zoo.refresh.catalogue import ZooListing
from zoo.settings import Listener, RefreshSettings

_NOTE = "published"
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class SyncedAccuracy:
    """The accuracy of one zoo's weights."""

    rows: tuple[Accuracy, ...]
    table: AccuracyTable | None = None  # None: the rows are those of the cache
    note: Notes = field(default_factory=dict)  # on what the table depends


class _CachedAccuracy:
    """The results in the cache, read when they are needed, and the notes on what they depend on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.notes = {zoo: notes.get(_NOTE, {}) for zoo, notes in store.notes("accuracy").items()}

    def rows(self, zoo: str) -> tuple[Accuracy, ...]:
        return tuple(row for row in self._store.accuracy() if row.zoo == zoo)


def sync_accuracy(
    settings: RefreshSettings, listings: Mapping[str, ZooListing], store: Store, listener: Listener
) -> dict[str, SyncedAccuracy]:
    """The results of each zoo that has some.

    Raises:
        AccuracyError: if a configured table cannot be read, and the cache has no results of it.
    """
    cached = _CachedAccuracy(store)
    synced: dict[str, SyncedAccuracy] = {}
    for name, listing in listings.items():
        models = settings.zoos[name].models
        if name == "timm" and not models:
            synced[name] = _sync_timm(settings, listing, cached, listener)
        else:
            synced[name] = _sync_published(name, models, listing, cached)
    return synced


def save_accuracy(store: Store, synced: Mapping[str, SyncedAccuracy]) -> None:
    """Commits new results, and those that match no weights."""
    tables = {name: one.table for name, one in synced.items() if one.table is not None}
    if not tables:
        return
    unmatched = [{**as_row(row), "zoo": name} for name, table in tables.items() for row in table.unmatched]
    store.replace("unmatched", table_of("unmatched", unmatched), set(tables))
    rows = [as_row(row) for table in tables.values() for row in table.rows]
    notes = {name: {_NOTE: synced[name].note} for name in tables if synced[name].note}
    store.replace("accuracy", table_of("accuracy", rows), set(tables), notes)


def _sync_published(name: str, models: Sequence[DeclaredModel], listing: ZooListing, cached: _CachedAccuracy) -> SyncedAccuracy:
    """What a zoo states of its weights itself, which only changes with the list."""
    note: Notes = {"depends_on": listing.depends_on} if listing.depends_on else {}
    rows_before = cached.rows(name)
    if note and not listing.is_new and cached.notes.get(name) == note:
        return SyncedAccuracy(rows_before)
    rows = tuple(open_zoo(name, models).published_accuracy())
    return SyncedAccuracy(rows, AccuracyTable(rows) if rows or rows_before or note else None, note)


def _sync_timm(settings: RefreshSettings, listing: ZooListing, cached: _CachedAccuracy, listener: Listener) -> SyncedAccuracy:
    note = cached.notes.get("timm", {})
    results = redacted(settings.timm_results) if settings.timm_results else None
    is_web = bool(settings.timm_results and settings.timm_results.startswith(_WEB))
    max_age = timedelta(days=settings.accuracy_max_age_days)
    is_same_list = bool(listing.depends_on) and not listing.is_new and note.get("depends_on") == listing.depends_on
    if is_same_list and is_web and note.get("results") == results and _age(note) < max_age:
        return SyncedAccuracy(cached.rows("timm"))
    try:
        available = timm_tables.find_tables(
            version=listing.library_version, results=settings.timm_results, fetch=settings.fetch_accuracy, max_age=max_age
        )
    except AccuracyError as error:
        if note.get("results") != results:
            raise
        rows = cached.rows("timm")
        stay = f" The results of {_newest(rows)} stay in use." if rows else ""
        listener.notify(f"{error}{stay}")
        return SyncedAccuracy(rows)
    if available.why_not_newer:
        if note.get("results") is None and (rows := _downloaded_since(snapshot_provenance().retrieved_at, cached.rows("timm"))):
            listener.notify(f"timm's results of {_newest(rows)} stay in use: newer ones {available.why_not_newer}.")
            return SyncedAccuracy(rows)
        listener.notify(
            f"timm's results are those of {snapshot_provenance().date} that come with zoometer: newer ones {available.why_not_newer}."
        )
    for warning in timm_tables.missing_main_table(available.tables):
        listener.notify(warning)
    new_note = {
        "depends_on": listing.depends_on,
        "results": results,
        "digest": _tables_digest(available.tables),
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if is_same_list and not is_web and note.get("digest") == new_note["digest"]:
        return SyncedAccuracy(cached.rows("timm"))
    table = timm_tables.join_tables(available.tables, _listed_weights(listing), listing.library_version)
    return SyncedAccuracy(table.rows, table, new_note)


def _age(note: Notes) -> timedelta:
    """Time since the tables were last fetched."""
    return datetime.now(UTC) - datetime.fromisoformat(note["checked_at"])


def _downloaded_since(moment: str, rows: tuple[Accuracy, ...]) -> tuple[Accuracy, ...]:
    """The rows if some were downloaded, and not before this moment: those that come with zoometer must not replace them."""
    return rows if any(not is_of_snapshot(row.source) and row.retrieved_at >= moment for row in rows) else ()


def _newest(rows: tuple[Accuracy, ...]) -> str:
    return max(row.retrieved_at for row in rows)[:10]


def _tables_digest(tables: list[ResultTable]) -> str:
    text = "\n".join(f"{table.dataset} {table.source} {table.retrieved_at} {table.revision}" for table in tables)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _listed_weights(listing: ZooListing) -> list[Weights]:
    return [weights for architecture in listing.architectures for weights in architecture.weights]
