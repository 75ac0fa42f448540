"""Counts or traces given keys that the cache lacks, independently of a configuration."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from zoo.cache.store import Store
from zoo.jobs import RunSummary
from zoo.records import Architecture, CostKey, TraceKey
from zoo.refresh.catalogue import ZooListing, list_zoos, preload, save_listings
from zoo.refresh.committer import count_and_commit
from zoo.refresh.plan import make_plan
from zoo.settings import Execution, Listener, RefreshSettings, ZooSettings


def list_architectures(cache: str, zoos: Collection[str]) -> list[Architecture]:
    """The architectures of installed zoos, from the cache if they are up to date there.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    store, listings = _open_cache(cache, zoos)
    save_listings(store, listings)
    return _all_architectures(listings)


def fill_missing(
    keys: Collection[CostKey | TraceKey], cache: str, execution: Execution = Execution(), listener: Listener | None = None
) -> bool:
    """Counts or traces the keys that the cache lacks for the installed versions.

    Returns:
        Whether everything was done; False after Ctrl-C.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    listener = listener or Listener()
    store, listings = _open_cache(cache, {key.zoo for key in keys})
    versions = {name: listing.versions for name, listing in listings.items()}
    costs = dict.fromkeys(key for key in keys if isinstance(key, CostKey))
    traces = dict.fromkeys(key for key in keys if isinstance(key, TraceKey))
    cached = [store.costs(), *([store.traces()] if traces else [])]
    plan = make_plan(costs, traces, cached, versions, _all_architectures(listings))
    if not plan.to_count:
        return True
    listener.planned(plan.rows, plan.to_count)
    preload(execution, listings)
    summary = RunSummary(run=uuid.uuid4().hex[:12], started_at=datetime.now(UTC).isoformat())
    count_and_commit(plan, execution, store, summary, listener, versions)
    return not summary.interrupted


def _open_cache(cache: str, zoos: Collection[str]) -> tuple[Store, dict[str, ZooListing]]:
    store = Store(cache)
    store.prepare()
    return store, list_zoos(RefreshSettings(cache, {name: ZooSettings() for name in sorted(zoos)}), store)


def _all_architectures(listings: dict[str, ZooListing]) -> list[Architecture]:
    return [architecture for listing in listings.values() for architecture in listing.architectures]
