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

    Raises:
        UnknownNameError: if there is no such table or run.
    """
    from zoo.cache.run_facts import end_of
    from zoo.cache.runs import find_run
    from zoo.cache.schema.tables import DETAILS, OWNERS, TABLES
    from zoo.cache.store import to_pandas

    if name not in TABLES:
        raise UnknownNameError(f"The cache has no table '{name}'.{did_you_mean(name, TABLES)}")
    if name in OWNERS and not history:
        moment = end_of(store, find_run(store.runs(), as_of)) if as_of else None
        return to_pandas(store.in_force(name, as_of=moment))
    if name == "speed" and not history:
        return store.speeds(failed=True)
    if name in DETAILS and not history:
        return store.details(name)
    return to_pandas(store.read(name))


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
