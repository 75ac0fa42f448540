"""Rows as a table in the types that columns declare, and a table as plain rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from reports.columns.column import Column, ColumnKind

_DTYPES: dict[ColumnKind, Any] = {ColumnKind.INTEGER: "Int64", ColumnKind.NUMBER: "Float64", ColumnKind.FLAG: "boolean"}


def typed_table(rows: pd.DataFrame, columns: Iterable[Column]) -> pd.DataFrame:
    """Rows as a table of a report: exactly these columns in the types of their kinds; NA is unknown."""
    missing = pd.Series(pd.NA, index=rows.index, dtype="object")
    return pd.DataFrame({c.key: pd.Series(rows.get(c.key, missing)).astype(_DTYPES.get(c.kind, "string")) for c in columns})


def records(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as plain values, None where unknown."""
    names = list(table.columns)
    plain = [[_plain(value) for value in table[name].tolist()] for name in names]
    for values in zip(*plain, strict=True):
        yield dict(zip(names, values, strict=True))


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
