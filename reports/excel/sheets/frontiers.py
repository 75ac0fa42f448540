"""The sheet *Frontiers*: for each task the models that no other beats in both accuracy and MACs, with a chart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.columns.column import Better, Column, ColumnKind
from reports.excel.charts.chart import FrontierCells, accuracy_chart
from reports.excel.sheets.board import COST, MODEL, PEAK, SIZE, Board
from reports.excel.sheets.model_tables import MODEL_PLACE, write_models, write_section
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import MAX_ROWS, Book
from reports.excel.writer.text import sheet_name

GAIN = Column("gain", "Gain", "Points of accuracy gained over the next cheaper model of the frontier.", "computed from this table", ColumnKind.NUMBER, "points", 1, 2, Better.HIGH, "Frontier", 10)  # fmt: skip
FACTOR = Column("factor", "MACs factor", "MACs as a multiple of the next cheaper model's on the frontier.", "computed from this table", ColumnKind.NUMBER, "x", 1, 2, Better.LOW, "Frontier", 10)  # fmt: skip
_WIDTH, _WIDEST = 14, 62  # characters
_CHART_ROWS, _CHART_COLUMNS = 27, 11
_PRINTED = 90  # rows that are legible on a page


def write_frontiers(book: Book, boards: Sequence[Board]) -> dict[str, FrontierCells]:
    """Write the sheet and return the cells of each task's points; without accuracies there is no sheet."""
    boards = [board for board in boards if board.quality is not None and len(board.frontier)]
    if not boards:
        return {}
    name = sheet_name("Frontiers", book.taken)
    page = book.add_sheet(name, "Models that no other beats in both accuracy and MACs", colour=styles.FRONTIER)
    last = MODEL_PLACE + max(len(frontier_columns(board)) for board in boards) - 1
    names = pd.concat([board.frontier[MODEL.key] for board in boards])
    page.set_width(0, 0, 1.5)
    page.set_width(MODEL_PLACE, MODEL_PLACE, min(_WIDEST, int(names.str.len().max()) + 3))
    page.set_width(MODEL_PLACE + 1, last, _WIDTH)
    row, cells = 0, {}
    for number, board in enumerate(boards):
        cells[board.task] = _write_frontier(book, page, board, row)
        row = cells[board.task].row + len(board.frontier) + 1
        chart = accuracy_chart(board, frontier_columns(board)[1 + len(board.identity)], cells[board.task])
        top, end = (line * _CHART_ROWS for line in (number, number + 1))
        what = f"{board.task}: accuracy against MACs, with the frontier"
        page.add_chart(chart, (top, last + 2), (end - 1, last + 2 + _CHART_COLUMNS), what)
    page.print_on(min(row - 2, _PRINTED), last)
    page.sheet.freeze_panes = "C1"
    return cells


def frontier_columns(board: Board) -> list[Column]:
    """The columns of a task."""
    assert board.quality is not None
    return [MODEL, *board.identity, board.quality, GAIN, COST, FACTOR, SIZE, PEAK]


def _write_frontier(book: Book, page: Page, board: Board, row: int) -> FrontierCells:
    """Write the models of one task, cheapest first, with the gain and the cost factor of each step."""
    assert board.quality is not None
    columns, table = frontier_columns(board), board.frontier
    change = table[board.quality.key].diff().round(6)
    costs = table[COST.key].astype("Float64")
    table = table.assign(
        **{GAIN.key: -change if board.quality.better is Better.LOW else change, FACTOR.key: costs / costs.shift()}
    )
    title = f"{board.task}: {len(table):,} models that no other beats in both {board.quality.title} and MACs"
    row = write_section(page, row, title, MODEL_PLACE + len(columns) - 1)
    links = [f"#'{board.sheet}'!A{place + 2}" if place < MAX_ROWS else None for place in table.index]
    write_models(page, row, columns, table, links)
    book.note_columns(columns)
    return FrontierCells(page.sheet.title, row + 1, *(MODEL_PLACE + columns.index(column) for column in (COST, board.quality)))
