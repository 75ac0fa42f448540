"""CSV tables of users: whatever a file holds, its rows or a sentence."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from zoo.documents.csv_table import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, CsvRow, parse_table, read_table
from zoo.documents.files import DocumentKind
from zoo.errors import AuditError

KIND = DocumentKind("table of costs", AuditError, 32_000_000)


def test_cells_are_text_by_heading_without_the_missing_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf model ,,macs\r\n"a, b",0, 1.50 \r\n\r\n , 2,nan\r\nc,3\r\n"d\n""e""",4,NA,,\r\n')
    table = read_table(path, KIND)
    assert table.headings == ("model", "macs")
    assert table.rows == [
        CsvRow(2, {"model": "a, b", "macs": "1.50"}),
        CsvRow(5, {"model": "c"}),
        CsvRow(7, {"model": 'd\n"e"'}),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "has no headings in its first line. Name its columns there."),
        (b",,\n1,2,3\n", "has no headings in its first line"),
        (b"a,b,a\n1,2,3\n", "has two columns 'a'. Rename one of them."),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, and the first line 2 headings. Separate cells by commas"),
        (b"a;b\n1,5;2\n", "line 2 has 2 cells, and the first line 1 headings"),
        (b"a,b\n1,\0\n", "line 2 has a NUL"),
        ("a,b\n1,2\n".encode("utf-16"), "is not a text file in UTF-8: line 1"),
        ("a,b\nn\xe9,2\n".encode("latin-1"), "is not a text file in UTF-8: line 2"),
        (b",".join(b"c%d" % n for n in range(10_000)), f"has 10,000 columns: a table of costs has at most {MOST_COLUMNS:,}"),
        (b"a,b\n1," + b"x" * 1_000_000, f"line 2: a cell has more than {LONGEST_CELL:,} characters"),
        (b"a,b\n1," + b"x" * (LONGEST_CELL + 1), f"line 2: a cell has more than {LONGEST_CELL:,} characters"),
        (b"a," + b"x" * (LONGEST_CELL + 1), f"line 1: a cell has more than {LONGEST_CELL:,} characters"),
        (b'a,b\n1,"2\n' + b"3,4\n" * 10_000, "Is a quote left open before it?"),
        (b"a\n" + b"1\n" * (MOST_ROWS + 1), f"has more than {MOST_ROWS:,} rows"),
    ],
)
def test_what_is_no_such_table_is_refused_in_a_sentence(content: bytes, why: str) -> None:
    before = time.process_time()
    with pytest.raises(AuditError, match=re.escape(why)) as caught:
        parse_table(content, "mine.csv", KIND)
    assert len(str(caught.value)) < 400
    assert time.process_time() - before < 2


def test_the_largest_table_is_read() -> None:
    heading = b",".join(b"c%d" % n for n in range(MOST_COLUMNS))
    assert len(parse_table(heading + b"\n" + b"1," * MOST_COLUMNS, "a", KIND).rows[0].cells) == MOST_COLUMNS
    assert len(parse_table(b"a\n" + b"1\n" * MOST_ROWS, "a", KIND).rows) == MOST_ROWS
