"""Rows of `costs` and `traces` that jobs produce; without torch, because the parent of workers writes rows of failures too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zoo.counting.version import TRACER_VERSION
from zoo.jobs import Failure
from zoo.records import CostKey, Status, TraceKey, Versions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class JobResult:
    """A row of `costs` with its rows of `ops`, or a row of `traces` with its rows of `workloads`."""

    key: CostKey | TraceKey
    row: dict[str, Any]
    details: pa.Table | None = None  # None: the row is a failure


def key_columns(key: CostKey | TraceKey, counted_at: datetime) -> dict[str, Any]:
    """The columns that a row shares with its details."""
    return {**key._asdict(), "variant": str(key.variant), "counted_at": counted_at}


def version_columns(key: CostKey | TraceKey, versions: Versions) -> dict[str, Any]:
    """The columns of a row that say by which versions it was produced."""
    tracer = {"tracer_version": TRACER_VERSION} if isinstance(key, TraceKey) else {}
    return {"library_version": versions.library, "torch_version": versions.torch, "counter_version": versions.counter, **tracer}


def failed_result(key: CostKey | TraceKey, failure: Failure, versions: Versions) -> JobResult:
    """A row that only says why there are no figures."""
    columns = {**key_columns(key, datetime.now(UTC)), **version_columns(key, versions)}
    return JobResult(key, {**columns, "status": Status.FAILED.value, "reason": str(failure)})
