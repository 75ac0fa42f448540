"""What a worker counted as bytes, which travel through processes that neither have torch nor look inside.

Tables of the cache go as Arrow's record batches without their schemas, which both sides know: pickle takes each of their columns
apart, and a schema is larger than the short tables of one model.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from zoo.cache.schema.tables import TABLES
from zoo.cache.schema.trace_rows import TRACE

_SCHEMAS: Mapping[str, pa.Schema] = {**{name: TABLES[name] for name in ("ops", "workloads")}, "trace": TRACE}


def pack(rows: Any) -> bytes:
    """Rows, and whatever tables are in them."""
    data = io.BytesIO()
    _Packer(data, protocol=pickle.HIGHEST_PROTOCOL).dump(rows)
    return data.getvalue()


def unpack(data: bytes) -> Any:
    """The same rows again."""
    return pickle.loads(data)  # noqa: S301 - what a worker of ours packed


def _reduced(table: pa.Table) -> tuple[Any, tuple[str, list[bytes]]]:
    name = next(name for name, schema in _SCHEMAS.items() if table.schema.equals(schema))
    return _table_of, (name, [batch.serialize().to_pybytes() for batch in table.to_batches()])


class _Packer(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {pa.Table: _reduced}


def _table_of(name: str, batches: list[bytes]) -> pa.Table:
    schema = _SCHEMAS[name]
    return pa.Table.from_batches([pa.ipc.read_record_batch(batch, schema) for batch in batches], schema)
