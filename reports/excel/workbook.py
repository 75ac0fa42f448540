"""A report as one Excel workbook: every figure exact in its cell, tables and charts native, budgets alive."""

from __future__ import annotations

from pathlib import Path

from openpyxl import Workbook
from openpyxl.packaging.core import DocumentProperties
from openpyxl.workbook.properties import CalcProperties
from openpyxl.workbook.views import BookView

from reports.excel.budgets.budgets_sheet import Limits, evaluate_boards, make_limits, write_budgets
from reports.excel.budgets.device_cells import DeviceCells
from reports.excel.sheets import about, changes_and_audits, summary, table_sheets
from reports.excel.sheets.board import Board, make_boards
from reports.excel.writer.sheet import Book
from reports.excel.writer.styles import Styles
from reports.excel.writer.text import clean_text, sheet_name
from reports.excel.writer.xlsx_package import save
from reports.exports.files import replacing
from reports.leaderboard.report import Report


def write(report: Report, path: Path) -> None:
    """Write the workbook in one step: `path` holds the old file or the whole new one, never a part.

    Raises:
        OutputError: if the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary:
        book = _compose(report)
        save(book.workbook, book.pages, temporary)


def _compose(report: Report) -> Book:
    workbook = Workbook()
    for sheet in workbook.worksheets:  # the one every workbook begins with
        workbook.remove(sheet)
    workbook.properties = _properties(report)
    workbook.calculation = CalcProperties(fullCalcOnLoad=True)  # whatever is written beside the formulas
    workbook.views = [BookView(windowWidth=36_000, windowHeight=21_000)]
    book = Book(report, workbook, Styles(workbook))
    first = book.add_sheet(sheet_name("Summary", book.taken), "")
    boards, limits = _make_boards(book)
    for board in boards:
        table_sheets.write_leaderboard(book, board)
    frontiers = [table_sheets.write_frontier(book, board) for board in boards]
    if boards:
        write_budgets(book, boards, limits, sheet_name("Budgets", book.taken))
        table_sheets.write_architectures(book)
        table_sheets.write_resolutions(book)
    table_sheets.write_speeds(book)
    table_sheets.write_published_speeds(book)
    changes_and_audits.write_changes(book)
    table_sheets.write_coverage(book)
    changes_and_audits.write_audits(book)
    about.write_columns(book)
    about.write_about(book)
    summary.write_summary(book, first, boards, frontiers[0] if frontiers else None)
    if limits.devices and boards:
        limits.devices.write(book)
    return book


def _make_boards(book: Book) -> tuple[list[Board], Limits]:
    """The leaderboards, evaluated for the limits and the device that the workbook starts with."""
    report = book.report
    devices = DeviceCells.of(report, book.taken)
    if devices is None:
        boards = make_boards(report.leaderboard, book.taken, report.latencies)
    else:
        chosen = devices.of_budget(report.budgets[0]) if report.budgets else None
        table = devices.add_columns(report.leaderboard, chosen)
        boards = make_boards(table, book.taken, report.latencies, devices.is_known)
    limits = make_limits(book, boards, devices)
    evaluate_boards(boards, limits)
    return boards, limits


def _properties(report: Report) -> DocumentProperties:
    made = report.created_at.replace(tzinfo=None)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return DocumentProperties(
        title=clean_text(report.title),
        subject="What vision models cost, and how accurate they are",
        creator="zoometer",
        lastModifiedBy="zoometer",
        category="report",
        keywords="MACs, parameters, activations, peak memory, accuracy",
        created=made,
        modified=made,
        description=clean_text(f"Made {made:%Y-%m-%d} with {versions}. Command: {report.command}"),
    )
