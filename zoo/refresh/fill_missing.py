"""Seeing to it that the cache has certain costs or traces, whatever a configuration asks for."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from zoo.cache.store import Store
from zoo.jobs import RunSummary
from zoo.records import Architecture, CostKey, TraceKey
from zoo.refresh.catalogue import list_zoos, preload, save_listings
from zoo.refresh.committer import count_and_commit
from zoo.refresh.plan import make_plan
from zoo.settings import Execution, Listener, RefreshSettings, SilentListener, ZooSettings


def list_architectures(cache: str, zoos: Collection[str]) -> list[Architecture]:
    """What installed zoos have, from the cache where it still is what they would say; kept there otherwise.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    store = Store(cache)
    store.prepare()
    listings = list_zoos(_settings(cache, zoos), store)
    save_listings(store, listings)
    return [architecture for listing in listings.values() for architecture in listing.architectures]


def fill_missing_costs(
    keys: Collection[CostKey], cache: str, execution: Execution = Execution(), listener: Listener | None = None
) -> bool:
    """Counts those of the keys that the cache does not have from the versions in use; says whether all were tried.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    return _ensure(keys, (), cache, execution, listener or SilentListener())


def fill_missing_traces(
    keys: Collection[TraceKey], cache: str, execution: Execution = Execution(), listener: Listener | None = None
) -> bool:
    """The same with traces.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    return _ensure((), keys, cache, execution, listener or SilentListener())


def _ensure(
    costs: Collection[CostKey], traces: Collection[TraceKey], cache: str, execution: Execution, listener: Listener
) -> bool:
    store = Store(cache)
    store.prepare()
    zoos = {key.zoo for key in costs} | {key.zoo for key in traces}
    listings = list_zoos(_settings(cache, zoos), store)
    versions = {name: listing.versions for name, listing in listings.items()}
    architectures = [architecture for listing in listings.values() for architecture in listing.architectures]
    cached_traces = store.traces() if traces else None
    plan = make_plan(dict.fromkeys(costs), store.costs(), versions, architectures, dict.fromkeys(traces), cached_traces)
    if not plan.to_count:
        return True
    listener.planned(plan.rows, plan.to_count)
    preload(execution, zoos)
    summary = RunSummary(run=uuid.uuid4().hex[:12], started_at=datetime.now(UTC).isoformat())
    count_and_commit(plan, execution, store, summary, listener, versions)
    return not summary.interrupted


def _settings(cache: str, zoos: Collection[str]) -> RefreshSettings:
    return RefreshSettings(cache, {name: ZooSettings() for name in sorted(zoos)})
