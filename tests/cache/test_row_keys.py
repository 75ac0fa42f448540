"""Which rows of a table belong together: found by spans of equal neighbours, and the same as row by row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zoo.cache.row_keys import details_of, factorize, span_starts

KEY = ("arch", "classes")
SCHEMA = pa.schema(
    [
        pa.field("arch", pa.string()),
        pa.field("classes", pa.int64()),
        pa.field("counted_at", pa.timestamp("us", tz="UTC")),
        pa.field("position", pa.int32()),
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "arch": st.sampled_from(["a", "b"]),
            "classes": st.sampled_from([None, 1]),
            "counted_at": st.sampled_from([0, 1]),
            "position": st.integers(0, 3),
        }
    ),
    max_size=12,
)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def identity(row: dict[str, Any], *columns: str) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


@given(ROWS, ROWS, st.booleans())
def test_details_are_those_of_an_owner_each_once_and_in_their_order(
    rows: list[dict[str, Any]], owners: list[dict[str, Any]], is_sorted: bool
) -> None:
    if is_sorted:  # as writers leave them
        rows = sorted(
            rows, key=lambda row: (row["arch"], row["classes"] is None, row["classes"] or 0, row["counted_at"], row["position"])
        )
    of_owners = {identity(owner, *KEY, "counted_at") for owner in owners}
    expected, seen = [], set()
    for row in rows:
        known = identity(row, *KEY, "counted_at", "position")
        if known[:-1] in of_owners and known not in seen:
            seen.add(known)
            expected.append(known)
    found = details_of(table_of(rows), table_of(owners), KEY)
    plain = found.set_column(2, "counted_at", found["counted_at"].cast(pa.int64()))
    assert [identity(row, *KEY, "counted_at", "position") for row in plain.to_pylist()] == expected


@given(ROWS)
def test_spans_begin_where_a_row_differs_from_the_one_before(rows: list[dict[str, Any]]) -> None:
    starts = span_starts(table_of(rows), KEY)
    expected = [i for i, row in enumerate(rows) if i == 0 or identity(row, *KEY) != identity(rows[i - 1], *KEY)]
    assert starts.tolist() == expected


@given(ROWS)
def test_rows_are_numbered_by_the_first_of_their_kind(rows: list[dict[str, Any]]) -> None:
    distinct = list(dict.fromkeys(identity(row, *KEY) for row in rows))
    models, numbers = factorize(table_of(rows), KEY)
    assert [identity(row, *KEY) for row in models.to_pylist()] == distinct
    assert [distinct[number] for number in numbers] == [identity(row, *KEY) for row in rows]
