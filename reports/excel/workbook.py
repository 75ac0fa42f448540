"""A report as an Excel workbook: exact values, native tables and charts, and limits that recalculate."""

from __future__ import annotations

from pathlib import Path

from openpyxl import Workbook
from openpyxl.packaging.core import DocumentProperties
from openpyxl.workbook.properties import CalcProperties
from openpyxl.workbook.views import BookView

from reports.excel.budgets.configured_answers import write_answers
from reports.excel.budgets.device_cells import DeviceCells
from reports.excel.budgets.limit_cells import LimitCells, evaluate_boards, make_limits, write_hidden_sheet
from reports.excel.sheets import about, changes_and_audits, summary, table_sheets
from reports.excel.sheets.board import Board, make_boards
from reports.excel.sheets.frontiers import write_frontiers
from reports.excel.sheets.resolutions import write_resolutions
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book
from reports.excel.writer.styles import Styles
from reports.excel.writer.text import clean_text, sheet_name
from reports.excel.writer.xlsx_package import save
from reports.exports.files import replacing
from reports.leaderboard.report import Report


def write(report: Report, path: Path) -> None:
    """Write the workbook in one step: `path` has the old file or the whole new one, never a part.

    Raises:
        OutputError: if the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary:
        book = _build_workbook(report)
        save(book.workbook, book.pages, temporary)


def _build_workbook(report: Report) -> Book:
    workbook = Workbook()
    for sheet in workbook.worksheets:  # the one every workbook begins with
        workbook.remove(sheet)
    workbook.properties = _document_properties(report)
    workbook.calculation = CalcProperties(fullCalcOnLoad=True)  # although values are written beside the formulas
    workbook.views = [BookView(windowWidth=36_000, windowHeight=21_000)]
    book = Book(report, workbook, Styles(workbook))
    first = book.add_sheet(sheet_name("Summary", book.taken), "")
    boards, cells = _make_boards(book, first)
    for board in boards:
        table_sheets.write_leaderboard(book, board)
    frontiers = write_frontiers(book, boards)
    answers = write_answers(book, boards, sheet_name("Budgets", book.taken))
    write_resolutions(book)
    table_sheets.write_speeds(book)
    table_sheets.write_published_speeds(book)
    changes_and_audits.write_changes(book)
    table_sheets.write_coverage(book)
    changes_and_audits.write_audits(book)
    about.write_columns(book)
    about.write_about(book)
    summary.write_summary(book, first, cells, frontiers, answers)
    if cells:
        write_hidden_sheet(book, cells)
        if cells.devices:
            cells.devices.write(book)
    return book


def _make_boards(book: Book, first: Page) -> tuple[list[Board], LimitCells | None]:
    """The leaderboards, evaluated for the limits and the device that the workbook starts with."""
    report = book.report
    devices = DeviceCells.of(report, book.taken)
    table, is_known = report.leaderboard, None
    if devices:
        chosen = devices.of_budget(report.budgets[0]) if report.budgets else None
        table, is_known = devices.add_columns(table, chosen), devices.is_known
    boards = make_boards(table, book.taken, report.latencies, is_known)
    if not boards:
        return [], None
    cells = make_limits(book, boards, devices, first.sheet.title, sheet_name("Limits", book.taken))
    evaluate_boards(cells)
    return boards, cells


def _document_properties(report: Report) -> DocumentProperties:
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
