"""Tables that commands print or write as CSV."""

from __future__ import annotations

import pandas as pd

from reports.exports.safe_text import guarded


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV without its index, in which no spreadsheet runs a text as a formula."""
    safe = table.copy()
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[name] = [guarded(value) if isinstance(value, str) else value for value in safe[name]]
    return safe.to_csv(index=False)
