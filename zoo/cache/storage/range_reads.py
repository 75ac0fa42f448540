"""Reads only the footer and the requested pages of a large remote part.

pyarrow's `pre_buffer` over an fsspec file requests one range after the other, and `fsspec.parquet` needs one more request for each
file and cannot select row groups; the README has the figures. Pages are checked against their own checksums. Parts that are rewritten
or verified are read completely.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

Range = tuple[int, int]
"""The first byte, and the one after the last."""

ReadRanges = Callable[[Sequence[Range]], Sequence[bytes]]
"""Reads the bytes of each range."""

WHOLE_BELOW = 2**20
"""Size below which a part is read completely: the latency of a second request would cost more."""

_END = 2**16
"""Bytes at the end of a part that are read first; few footers are longer."""

_GAP = 2**17
"""Largest gap, in bytes, between two ranges that are read as one."""


def read_part(read: ReadRanges, size: int, pick: Callable[[pq.ParquetFile], Iterable[Range]]) -> pa.Buffer:
    """A buffer of the part's size that holds its footer and the picked ranges; all other bytes are 0 and take no memory.

    A file that is not a Parquet file is read completely, so that its error message does not depend on the picked ranges.
    """
    data = mmap.mmap(-1, size)

    def fill(ranges: Sequence[Range]) -> None:
        for (start, stop), piece in zip(ranges, read(ranges), strict=True):
            data[start:stop] = piece

    fill([(size - min(_END, size), size)])
    footer = 8 + int.from_bytes(data[-8:-4], "little")
    if _END < footer <= size:
        fill([(size - footer, size)])
    try:
        ranges = _merged(pick(pq.ParquetFile(pa.BufferReader(data))))
    except (OSError, ValueError, pa.ArrowException):
        ranges = [(0, size)]
    if ranges:
        fill(ranges)
    return pa.py_buffer(data)


def column_ranges(parquet: pq.ParquetFile, columns: Iterable[str], groups: Iterable[int]) -> Iterator[Range]:
    """Where the pages of these columns are in these row groups; a nested column has several."""
    names = set(columns)
    for index in groups:
        group = parquet.metadata.row_group(index)
        for number in range(group.num_columns):
            column = group.column(number)
            if column.path_in_schema.partition(".")[0] in names:
                start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
                yield start, start + column.total_compressed_size


def _merged(ranges: Iterable[Range]) -> list[Range]:
    """The ranges in order, those that lie close together as one."""
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= _GAP:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
