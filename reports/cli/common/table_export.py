"""Tables of a cache as single files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from zoo.cache.store import Store


def read_table(store: Store, name: str, *, as_of: str | None, history: bool) -> pd.DataFrame:
    """A table: of costs, traces and their details what is in force (as of a run), of others everything.

    Of traces, these are the columns that a frame can hold; their calls need `write_traces`.

    Raises:
        UnknownNameError: if there is no such table or run.
    """
    from zoo.cache.changes import end_of
    from zoo.cache.runs import find_run
    from zoo.cache.schema.tables import DETAILS, NESTED, OWNERS, TABLES
    from zoo.cache.store import to_pandas

    if name not in TABLES:
        raise UnknownNameError(f"The cache has no table '{name}'.{did_you_mean(name, TABLES)}")
    flat = [column for column in TABLES[name].names if column not in NESTED]
    if name in OWNERS and not history:
        moment = end_of(store, find_run(store.runs(), as_of)) if as_of else None
        return to_pandas(store.in_force(name, flat, as_of=moment))
    if name == "speed" and not history:
        return store.speeds(failed=True)
    if name in DETAILS and not history:
        return store.details(name)
    return to_pandas(store.read(name, flat))


def write_traces(store: Store, path: Path, *, as_of: str | None, history: bool) -> int:
    """Writes traces with all their calls as Parquet, a few rows at a time, and says how many there are.

    Raises:
        UnknownNameError: if there is no such run.
        OutputError: if the file cannot be written.
    """
    import pyarrow.parquet as pq

    from reports.exports.files import replacing
    from zoo.cache.changes import end_of
    from zoo.cache.runs import find_run
    from zoo.cache.schema.tables import ROWS_TOGETHER, TABLES, TRACE_KEY

    columns = [*TRACE_KEY, "counted_at"]
    moment = end_of(store, find_run(store.runs(), as_of)) if as_of else None
    rows = store.read("traces", columns) if history else store.in_force("traces", columns, as_of=moment)
    together = ROWS_TOGETHER["traces"]
    with replacing(path) as temporary, pq.ParquetWriter(temporary, TABLES["traces"], compression="zstd") as file:
        for start in range(0, len(rows), together):
            file.write_table(store.whole_traces(rows.slice(start, together)))
    return len(rows)


def write_table(frame: pd.DataFrame, path: Path, form: str) -> None:
    """Writes CSV, Parquet or JSON records; what is unknown is empty, or null.

    Raises:
        OutputError: if the file cannot be written.
    """
    from reports.exports.csv_text import csv_text
    from reports.exports.files import replacing

    with replacing(path) as temporary:
        if form == "csv":
            temporary.write_text(csv_text(frame), encoding="utf-8", errors="replace", newline="\n")
        elif form == "parquet":
            frame.to_parquet(temporary, index=False)
        else:
            rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
            temporary.write_text(json.dumps(rows, indent=1, default=str), encoding="utf-8")
