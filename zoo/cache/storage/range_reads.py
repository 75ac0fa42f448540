"""Of a large part at an address only what is asked for: its end, which says where everything is, and the pages in question.

What is not read is not held against the checksum of the whole, but pages are against their own. Whatever is rewritten, and what
`cache verify` looks at, is read whole.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

Range = tuple[int, int]
"""First byte, and the one after the last."""

ReadRanges = Callable[[Sequence[Range]], Sequence[bytes]]
"""Gives the bytes of each range."""

WHOLE_BELOW = 2**20
"""Bytes of a part that is read whole: an address takes as long to answer as to send them."""

_END = 2**16
"""Bytes at the end of a part that are read first: its footer, if that is no longer."""

_GAP = 2**17
"""Bytes that are not asked for, but read to save a request."""

_MAGIC = b"PAR1"


def read_part(read: ReadRanges, size: int, pick: Callable[[pq.ParquetFile], Iterable[Range]]) -> pa.Buffer:
    """As many bytes as the part has, of which those that are picked and the footer are its own, and all others 0.

    Memory is taken for what is read only. A file that is no part is read whole: what it is told to be depends on all of it.
    """
    data = mmap.mmap(-1, size)

    def fill(ranges: Sequence[Range]) -> None:
        for (start, stop), piece in zip(ranges, read(ranges), strict=True):
            data[start:stop] = piece

    fill([(size - min(_END, size), size)])
    footer = 8 + int.from_bytes(data[-8:-4], "little")
    if data[-4:] != _MAGIC or footer > size:
        fill([(0, size)])
        return pa.py_buffer(data)
    if footer > _END:
        fill([(size - footer, size)])
    if wanted := list(_joined(pick(pq.ParquetFile(pa.BufferReader(data))))):
        fill(wanted)
    return pa.py_buffer(data)


def pages_of(parquet: pq.ParquetFile, columns: Iterable[str], groups: Iterable[int]) -> Iterator[Range]:
    """Where the pages of these columns are, in these row groups; a nested column has several."""
    asked = set(columns)
    for index in groups:
        group = parquet.metadata.row_group(index)
        for number in range(group.num_columns):
            column = group.column(number)
            if column.path_in_schema.partition(".")[0] in asked:
                start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
                yield start, start + column.total_compressed_size


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """The same in their order, those that lie close together as one."""
    joined: Range | None = None
    for start, stop in sorted(ranges):
        if joined and start - joined[1] <= _GAP:
            joined = joined[0], max(stop, joined[1])
            continue
        if joined:
            yield joined
        joined = start, stop
    if joined:
        yield joined
