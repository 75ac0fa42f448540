"""A report as one Excel workbook: every figure exact in its cell, tables and charts native, budgets alive."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reports.excel import about, sheets, summary
from reports.excel.board import make_boards
from reports.excel.budgets_sheet import write_budgets
from reports.excel.sheet import Book
from reports.excel.styles import Styles
from reports.excel.text import clean_text, sheet_name
from reports.excel.writer import FileCreateError, Workbook
from reports.exports.files import replacing
from reports.leaderboard import Report

_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def write(report: Report, path: Path) -> None:
    """Write the workbook in one step: `path` holds the old file or the whole new one, never a part.

    Raises:
        OutputError: if the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary, _no_collecting():
        try:
            _write_book(report, temporary)
        except FileCreateError as error:  # wraps what the system said
            raise OSError(str(error)) from error


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Pause the garbage collector: it would go over millions of cells again and again and find nothing, for a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_book(report: Report, path: Path) -> None:
    workbook = Workbook(str(path), _OPTIONS)
    workbook.set_size(2400, 1400)
    workbook.set_properties({
        "title": clean_text(report.title), "subject": "What vision models cost, and how accurate they are", "author": "zoometer", "category": "report",
        "keywords": "MACs, parameters, activations, peak memory, accuracy", "created": report.created_at.replace(tzinfo=None),
        "comments": clean_text(f"Made {report.created_at:%Y-%m-%d} with {', '.join(f'{k} {v}' for k, v in report.versions.items())}. Command: {report.command}"),
    })  # fmt: skip
    book = Book(report, workbook, Styles(workbook))
    first = book.add_sheet(sheet_name("Summary", book.taken), "")
    boards = make_boards(report.leaderboard, book.taken)
    for board in boards:
        sheets.write_leaderboard(book, board)
    frontiers = [sheets.write_frontier(book, board) for board in boards]
    if boards:
        write_budgets(book, boards)
        sheets.write_architectures(book)
        sheets.write_resolutions(book)
    sheets.write_coverage(book)
    about.write_columns(book)
    about.write_about(book)
    summary.write_summary(book, first, boards, frontiers[0] if frontiers else None)
    workbook.close()
