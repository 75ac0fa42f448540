"""Updates the published accuracies of weights in the cache from sources that may have changed.

If a source cannot be read, the cached results are kept with their dates, unless the results that come with zoometer are newer.
"""

from __future__ import annotations

import functools
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
from zoo.records import Accuracy, AccuracyTable, DeclaredModel, as_row
from zoo.refresh.catalogue import ZooListing
from zoo.settings import Listener, RefreshSettings

_NOTE = "published"
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class SyncedAccuracy:
    """The accuracy of one zoo's weights."""

    rows: tuple[Accuracy, ...]
    table: AccuracyTable | None = None  # None: the rows are those of the cache
    note: Notes = field(default_factory=dict)  # what the table depends on


def sync_accuracy(
    settings: RefreshSettings, listings: Mapping[str, ZooListing], store: Store, listener: Listener
) -> dict[str, SyncedAccuracy]:
    """The results of each zoo.

    Raises:
        AccuracyError: if a configured table cannot be read, and the cache has no results of it.
    """
    notes = store.notes("accuracy")
    synced: dict[str, SyncedAccuracy] = {}
    for name, listing in listings.items():
        note: Notes = notes.get(name, {}).get(_NOTE, {})
        models = settings.zoos[name].models
        if name == "timm" and not models:
            synced[name] = _sync_timm(settings, listing, store, note, listener)
        else:
            synced[name] = _sync_published(name, models, listing, store, note)
    return synced


def save_accuracy(store: Store, synced: Mapping[str, SyncedAccuracy]) -> None:
    """Commits new results, and results without matching weights."""
    tables = {name: one.table for name, one in synced.items() if one.table is not None}
    if not tables:
        return
    unmatched = [{**as_row(row), "zoo": name} for name, table in tables.items() for row in table.unmatched]
    store.replace("unmatched", table_of("unmatched", unmatched), set(tables))
    rows = [as_row(row) for table in tables.values() for row in table.rows]
    notes = {name: {_NOTE: synced[name].note} for name in tables if synced[name].note}
    store.replace("accuracy", table_of("accuracy", rows), set(tables), notes)


def _cached_rows(store: Store, zoo: str) -> tuple[Accuracy, ...]:
    return tuple(row for row in store.accuracy() if row.zoo == zoo)


def _sync_published(
    name: str, models: Sequence[DeclaredModel], listing: ZooListing, store: Store, cached_note: Notes
) -> SyncedAccuracy:
    """The results that a zoo states for its own weights, which only change with its list of architectures."""
    note: Notes = {"depends_on": listing.depends_on} if listing.depends_on else {}
    cached = _cached_rows(store, name)
    if note and not listing.is_new and cached_note == note:
        return SyncedAccuracy(cached)
    rows = tuple(open_zoo(name, models).published_accuracy())
    return SyncedAccuracy(rows, AccuracyTable(rows) if rows or cached or note else None, note)


def _sync_timm(settings: RefreshSettings, listing: ZooListing, store: Store, note: Notes, listener: Listener) -> SyncedAccuracy:
    """The results in timm's tables; `note` describes the tables of the cached results."""
    results = redacted(settings.timm_results) if settings.timm_results else None
    is_web = bool(settings.timm_results and settings.timm_results.startswith(_WEB))
    max_age, checked_at = timedelta(days=settings.accuracy_max_age_days), note.get("checked_at")
    is_recent = checked_at is not None and datetime.now(UTC) - datetime.fromisoformat(checked_at) < max_age
    is_same_list = bool(listing.depends_on) and not listing.is_new and note.get("depends_on") == listing.depends_on
    cached = functools.partial(_cached_rows, store, "timm")
    if is_same_list and is_web and note.get("results") == results and is_recent:
        return SyncedAccuracy(cached())
    try:
        available = timm_tables.find_tables(
            version=listing.library_version, results=settings.timm_results, fetch=settings.fetch_accuracy, max_age=max_age
        )
    except AccuracyError as error:
        if note.get("results") != results:
            raise
        rows = cached()
        listener.notify(f"{error} The results of {_newest(rows)} stay in use." if rows else str(error))
        return SyncedAccuracy(rows)
    if available.why_not_newer:
        snapshot = snapshot_provenance()
        if note.get("results") is None and _has_downloads_since(snapshot.retrieved_at, rows := cached()):
            listener.notify(f"timm's results of {_newest(rows)} stay in use: newer ones {available.why_not_newer}.")
            return SyncedAccuracy(rows)
        listener.notify(
            f"timm's results are those of {snapshot.date} that come with zoometer: newer ones {available.why_not_newer}."
        )
    for warning in timm_tables.missing_main_table(available.tables):
        listener.notify(warning)
    new_note = {
        "depends_on": listing.depends_on,
        "results": results,
        "digest": _digest_tables(available.tables),
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if is_same_list and not is_web and note.get("digest") == new_note["digest"]:
        return SyncedAccuracy(cached())
    weights = [weights for architecture in listing.architectures for weights in architecture.weights]
    table = timm_tables.join_tables(available.tables, weights, listing.library_version)
    return SyncedAccuracy(table.rows, table, new_note)


def _has_downloads_since(moment: str, rows: Sequence[Accuracy]) -> bool:
    """Whether rows were downloaded at this moment or later: the tables that come with zoometer must not replace them."""
    return any(not is_of_snapshot(row.source) and row.retrieved_at >= moment for row in rows)


def _newest(rows: Sequence[Accuracy]) -> str:
    """Date of the newest row."""
    return max(row.retrieved_at for row in rows)[:10]


def _digest_tables(tables: Sequence[ResultTable]) -> str:
    text = "\n".join(f"{table.dataset} {table.source} {table.retrieved_at} {table.revision}" for table in tables)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
