"""What a worker counted as bytes, which travel through processes that neither have torch nor look inside.

Tables go as Arrow streams: pickle takes each of their columns apart, which for the short tables of one model takes ten times as long.
"""

from __future__ import annotations

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


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Pickle's own hook for how something is taken apart."""
        if not isinstance(value, pa.Table):
            return NotImplemented
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as stream:
            stream.write_table(value)
        return _table_of, (sink.getvalue().to_pybytes(),)


def _table_of(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
