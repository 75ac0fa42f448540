"""Serializes the results of a job, so that processes without torch can pass them on.

Details become Arrow record batches without their schemas, which are known to both sides: pickling each column is slow, and a schema is
larger than the short tables of one model.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable

import pyarrow as pa

from zoo.cache.schema.tables import TABLES
from zoo.records import TraceKey
from zoo.workers.job_rows import JobResult


def pack(results: Iterable[JobResult]) -> bytes:
    """Serializes results."""
    records = [(one.key, one.row, None if one.details is None else _serialize(one.details)) for one in results]
    return pickle.dumps(records, protocol=pickle.HIGHEST_PROTOCOL)


def unpack(data: bytes) -> list[JobResult]:
    """Restores packed results."""
    results = []
    for key, row, batches in pickle.loads(data):  # noqa: S301 - packed by our own worker
        schema = TABLES["workloads" if isinstance(key, TraceKey) else "ops"]
        tables = None if batches is None else [pa.ipc.read_record_batch(batch, schema) for batch in batches]
        results.append(JobResult(key, row, None if tables is None else pa.Table.from_batches(tables, schema)))
    return results


def _serialize(table: pa.Table) -> list[bytes]:
    return [batch.serialize().to_pybytes() for batch in table.to_batches()]
