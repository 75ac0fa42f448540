"""What a worker counted as bytes, which travel through processes that neither have torch nor look inside.

Tables go as Arrow streams: pickle takes each of their columns apart, which for the short tables of one model takes ten times as long.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any

import pyarrow as pa


def pack(rows: Any) -> bytes:
    """Rows, and whatever tables are in them."""
    data = io.BytesIO()
    _Packer(data, protocol=pickle.HIGHEST_PROTOCOL).dump(rows)
    return data.getvalue()


def unpack(data: bytes) -> Any:
    """The same rows again."""
    return pickle.loads(data)  # noqa: S301 - what a worker of ours packed


def _reduced(table: pa.Table) -> tuple[Any, tuple[bytes]]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return _table_of, (sink.getvalue().to_pybytes(),)


class _Packer(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {pa.Table: _reduced}


def _table_of(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
