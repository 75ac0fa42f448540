"""Counts for an audit in the cache: what a table may have meant instead is kept, and is no model to choose among."""

from __future__ import annotations

from pathlib import Path

from reports.audit.cached_counter import CachedCounter
from zoo.cache.store import Store
from zoo.records import CostKey
from zoo.refresh.plan import cost_keys
from zoo.settings import Execution

NAMED = CostKey("torchvision", "squeezenet1_0", "3x64x64", 1000, "base", 1)
MEANT = CostKey("torchvision", "squeezenet1_0", "3x96x96", 1000, "base", 1)


def test_hypotheses_are_kept_beside_the_counts(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    counter = CachedCounter(cache, Execution(workers=1))
    assert set(counter.count_models([NAMED])) == {NAMED}
    assert set(counter.count_hypotheses([MEANT])) == {NAMED, MEANT}
    assert set(cost_keys(Store(cache).costs())) == {NAMED}
    again = CachedCounter(cache, may_count=False)
    assert again.count_hypotheses([NAMED, MEANT])[MEANT].params == counter.count_models([MEANT])[MEANT].params
