"""The sheet *Budgets*: limits to type in, and the best models within them, which a spreadsheet recalculates by itself."""

from __future__ import annotations

from reports.columns import LEADERBOARD, Column
from reports.excel import budget, styles
from reports.excel.board import COST, MODEL, Board
from reports.excel.budget import BINDING, LIMITS, OF_BUDGET, SLACK, UNLIMITED, VERDICT, Limit
from reports.excel.sheet import Book, as_cells
from reports.excel.styles import number_format
from reports.excel.text import clean_text, sheet_name
from reports.excel.writer import Format, Worksheet, xl_rowcol_to_cell

FIRST_LIMIT = 5  # row of the first limit, from 0
SLACK_ROW = FIRST_LIMIT + len(LIMITS)
SLACK_NAME = "budget_slack"
BEST, NEAR = 10, 5
_INPUT = next(c for c in LEADERBOARD if c.key == "input")
_PLACE = 0  # column of ranks; the model stands beside it


def write_budgets(book: Book, boards: list[Board]) -> str:
    """Write the sheet; its name is returned."""
    name = sheet_name("Budgets", book.taken)
    sheet = book.add_sheet(name, "Type limits into the yellow cells: fits, picks and near misses recalculate.", colour=styles.GOOD)
    sheet.set_column(_PLACE, _PLACE, 8)
    sheet.set_column(1, 1, 52)
    sheet.set_column(2, 12, 13)
    sheet.write_string(0, 0, "Budgets", book.formats.get(bold=True, font_size=16))
    sheet.write_string(1, 0, "Type your limits into the yellow cells, in the unit beside them; leave a cell empty for no limit. Everything below recalculates, and so", book.formats.get(font_color=styles.GREY))  # fmt: skip
    sheet.write_string(2, 0, f"do the columns {OF_BUDGET.title}, {VERDICT.title} and {BINDING.title} of the leaderboards. The limits to begin with are an example, near a ResNet-50.", book.formats.get(font_color=styles.GREY))  # fmt: skip
    _write_limits(book, sheet, name, boards[0])
    row = SLACK_ROW + 2
    for board in boards:
        row = _write_picks(book, sheet, board, row) + 1
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.print_area(0, 0, row - 1, 4 + len(LIMITS))
    sheet.set_selection(FIRST_LIMIT, 2, FIRST_LIMIT, 2)
    return name


def _write_limits(book: Book, sheet: Worksheet, name: str, board: Board) -> None:
    head = book.formats.get(bold=True, bottom=1, bottom_color=styles.RULE, indent=1)
    right = book.formats.get(bold=True, bottom=1, bottom_color=styles.RULE, align="right")
    for place, (text, form) in enumerate([("Limit", head), ("At most", right), ("Unit", head), ("Exact", right), ("Known for", right)], start=1):
        sheet.write_string(FIRST_LIMIT - 1, place, text, form)
    entry = book.formats.get(bg_color=styles.INPUT_FILL, border=1, border_color=styles.RULE, locked=False, num_format="#,##0.###")
    for row, rule in enumerate(LIMITS, start=FIRST_LIMIT):
        _write_limit(book, sheet, name, row, rule, entry)
        known = int(board.frame[rule.column.key].notna().sum())
        sheet.write_string(row, 5, f"{known:,} of {len(board.frame):,}", book.formats.get(align="right", font_color=styles.GREY))
    sheet.write_string(SLACK_ROW, 1, "Just over: beyond a limit by at most", book.formats.get(indent=1))
    slack = book.formats.get(bg_color=styles.INPUT_FILL, border=1, border_color=styles.RULE, locked=False, num_format="0%")
    sheet.write_number(SLACK_ROW, 2, SLACK, slack)
    _define(book, SLACK_NAME, name, SLACK_ROW, 2)
    _accept(sheet, SLACK_ROW, "How far beyond a limit a model may be to be listed as just over: 10% or 0.1.")


def _write_limit(book: Book, sheet: Worksheet, name: str, row: int, rule: Limit, entry: Format) -> None:
    """One limit: the cell to type into, and beside it the exact value the formulas use, which means no limit where it is empty."""
    column = rule.column
    sheet.write_string(row, 1, f"{column.title}, at least" if rule.is_least else column.title, book.formats.get(indent=1))
    if rule.example is None:
        sheet.write_blank(row, 2, None, entry)
    else:
        sheet.write_number(row, 2, rule.example / column.scale, entry)
    sheet.write_string(row, 3, column.unit, book.formats.get(indent=1))
    cell, none = xl_rowcol_to_cell(row, 2), 0 if rule.is_least else UNLIMITED
    exact = book.formats.get(font_color=styles.GREY, align="right", num_format='[>=1E+299]"no limit";#,##0.##' if not rule.is_least else '0.##;;"no limit"')
    sheet.write_formula(row, 4, f"=IF(ISNUMBER({cell}),{cell}*{column.scale:.0f},{none:.0E})", exact, none if rule.example is None else rule.example)
    _define(book, rule.name, name, row, 4)
    _accept(sheet, row, f"{'Least' if rule.is_least else 'Most'} {column.title} in {column.unit}. Empty: no limit.")


def _define(book: Book, cell_name: str, sheet: str, row: int, column: int) -> None:
    book.workbook.define_name(cell_name, f"='{sheet}'!{xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True)}")


def _accept(sheet: Worksheet, row: int, hint: str) -> None:
    sheet.data_validation(row, 2, row, 2, {
        "validate": "decimal", "criteria": ">", "value": 0, "ignore_blank": True, "input_title": "Limit", "input_message": hint,
        "error_title": "Not a limit", "error_message": "Type a number above 0, or leave the cell empty for no limit.",
    })  # fmt: skip


def _write_picks(book: Book, sheet: Worksheet, board: Board, row: int) -> int:
    """One task's picks from this row on; the row after them is returned."""
    section = book.formats.get(bold=True, font_size=12, font_color=styles.ACCENT)
    verdicts = f"{board.table}[{VERDICT.header}]"
    fitting = int((board.frame[VERDICT.key] == budget.FITS).sum())
    order = f"best {board.quality.title} first" if board.quality else "most MACs first, because no accuracy is known: MACs say nothing about how good a model is"
    sheet.write_string(row, 0, f"{board.sheet}: what fits, {order}", section)
    sheet.write_formula(row + 1, 0, f'=COUNTIF({verdicts},"{budget.FITS}")', book.formats.get(num_format="#,##0", align="left", bold=True), fitting)
    sheet.write_string(row + 1, 1, f"of {len(board.frame):,} rows fit. Unknown figures under a limit do not.", book.formats.get(font_color=styles.GREY))
    row = _write_head(book, sheet, board, row + 2)
    fits = f'{verdicts},"{budget.FITS}"'
    row = _write_block(book, sheet, board, row, fits, budget.best_fitting(board.frame, board.rank.key, BEST), BEST)
    row += 1
    sheet.write_string(row, 1, "Just over the budget, with the limit that binds", book.formats.get(bold=True, indent=1))
    loads = f"{board.table}[{OF_BUDGET.header}]"
    over = f'{loads},">1",{loads},"<="&(1+{SLACK_NAME})'
    return _write_block(book, sheet, board, row + 1, over, budget.just_over(board.frame, board.rank.key, NEAR), NEAR)


def _pick_columns(board: Board) -> list[Column]:
    return [MODEL, _INPUT, *(rule.column for rule in LIMITS if rule in board.rules), OF_BUDGET, BINDING]


def _write_head(book: Book, sheet: Worksheet, board: Board, row: int) -> int:
    sheet.set_row(row, 31)
    for place, column in enumerate([board.rank, *_pick_columns(board)]):
        sheet.write_string(row, place, column.header, book.formats.header(column))
    return row + 1


def _write_block(book: Book, sheet: Worksheet, board: Board, row: int, criteria: str, ranks: list[int], most: int) -> int:
    """`most` rows, each the best rank after the row above's that meets the criteria; 0 where there is none, shown as nothing."""
    by_rank = board.frame[board.frame[board.rank.key].notna()].set_index(board.rank.key)
    all_ranks = f"{board.table}[{board.rank.header}]"
    line = {"bottom": 4, "bottom_color": styles.RULE}
    for number in range(most):
        here, above = xl_rowcol_to_cell(row, _PLACE, col_abs=True), xl_rowcol_to_cell(row - 1, _PLACE, col_abs=True)
        after = f'{all_ranks},">"&{above if number else 0}'
        lowest = f"_xlfn.MINIFS({all_ranks},{criteria},{after})"
        formula = f"=IF({above}=0,0,{lowest})" if number else f"={lowest}"
        rank = ranks[number] if number < len(ranks) else 0
        sheet.write_formula(row, _PLACE, formula, book.formats.get(num_format='0;;"–"' if number == 0 else "0;;", **line), rank)
        for place, column in enumerate(_pick_columns(board), start=1):
            values = as_cells(by_rank.loc[[rank], column.key]) if rank else [None]
            _write_looked_up(book, sheet, board, row, place, column, here, values[0])
        row += 1
    return row


def _write_looked_up(book: Book, sheet: Worksheet, board: Board, row: int, place: int, column: Column, rank: str, value: object) -> None:
    """A cell of a pick: looked up by rank, empty where the figure is unknown."""
    position = f"MATCH({rank},{board.table}[{board.rank.header}],0)"
    found = f"INDEX({board.table}[{column.header}],{position})"
    line = {"bottom": 4, "bottom_color": styles.RULE}
    shown = "" if value is None else clean_text(value) if isinstance(value, str) else value
    if column == MODEL:
        formula = f'=IF({rank}=0,"",HYPERLINK("#\'{board.sheet}\'!A"&({position}+1),{found}))'
        sheet.write_formula(row, place, formula, book.formats.get(font_color=styles.ACCENT, indent=1, **line), shown)
        return
    form = book.formats.get(num_format=number_format(column), **line) if column.is_figure else book.formats.get(indent=1, **line)
    sheet.write_formula(row, place, f'=IF({rank}=0,"",IF({found}="","",{found}))', form, shown)
