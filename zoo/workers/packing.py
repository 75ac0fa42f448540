"""Serializes the results of a job, so that processes without torch can pass them on.

Tables of the cache become Arrow record batches without their schemas, which are known to both sides: pickling each column is slow, and
a schema is larger than the short tables of one model.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from zoo.cache.schema.tables import TABLES

_SCHEMAS: Mapping[str, pa.Schema] = {name: TABLES[name] for name in ("ops", "workloads")}


def pack(results: Any) -> bytes:
    """Serializes results and the tables in them."""
    data = io.BytesIO()
    _Packer(data, protocol=pickle.HIGHEST_PROTOCOL).dump(results)
    return data.getvalue()


def unpack(data: bytes) -> Any:
    """Restores packed results."""
    return pickle.loads(data)  # noqa: S301 - packed by our own worker


def _reduce_table(table: pa.Table) -> tuple[Any, tuple[str, list[bytes]]]:
    name = next(name for name, schema in _SCHEMAS.items() if table.schema.equals(schema))
    return _restore_table, (name, [batch.serialize().to_pybytes() for batch in table.to_batches()])


class _Packer(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {pa.Table: _reduce_table}


def _restore_table(name: str, batches: list[bytes]) -> pa.Table:
    schema = _SCHEMAS[name]
    return pa.Table.from_batches([pa.ipc.read_record_batch(batch, schema) for batch in batches], schema)
