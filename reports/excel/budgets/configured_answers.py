"""The answer to a budget of the configuration: its limits, the best models that fit, and the nearest misses with what binds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.excel.budgets.limits_and_formulas import BINDING, OF_BUDGET
from reports.excel.sheets.about import write_text
from reports.excel.sheets.board import MODEL, Board
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import MAX_ROWS, Book
from reports.excel.writer.styles import number_format
from reports.exports.safe_text import MAX_ADDRESS, is_formula_like
from reports.selection.budget_answer import BudgetAnswer

BEST = 10
_LINE: dict[str, Any] = {"bottom": "dotted"}
_MODEL, _FIRST = 1, 2  # columns
_APART = ["model", "input", "variant", "batch"]
_IDENTITY = tuple(c for c in LEADERBOARD if c.key in _APART[1:])


@dataclass(frozen=True)
class RowsOfModels:
    """Where each row of the leaderboards is, by what tells it apart."""

    links: dict[tuple[Any, ...], str]

    @classmethod
    def of(cls, boards: Sequence[Board]) -> RowsOfModels:
        """The rows of these boards."""
        links: dict[tuple[Any, ...], str] = {}
        for board in boards:
            for row, key in enumerate(board.frame[_APART].head(MAX_ROWS).itertuples(index=False, name=None), start=2):
                links.setdefault(key, f"#'{board.sheet}'!A{row}")
        return cls(links)

    def link(self, row: pd.Series) -> str | None:
        """Where a candidate is listed."""
        return self.links.get(tuple(row[_APART]))


@dataclass(frozen=True)
class _Block:
    book: Book
    page: Page
    answer: BudgetAnswer
    rows: RowsOfModels

    @property
    def columns(self) -> list[Column]:
        """What is shown of a model beside its name."""
        table = self.answer.selection.table
        shown = [c for c in _IDENTITY if c.key == "input" or len(table[c.key].unique()) > 1]
        return [*shown, *(c for c in self.answer.columns if c not in shown)]


def write_block(book: Book, page: Page, answer: BudgetAnswer, rows: RowsOfModels, row: int) -> int:
    """Write the answer from this row on; the row after it is returned."""
    block = _Block(book, page, answer, rows)
    section = book.looks.get(bold=True, size=12, colour=styles.ACCENT, quoted=is_formula_like(answer.name))
    page.put(row, 0, f"Budget {answer.name}, as configured", section)
    row = _write_limits(block, row + 1)
    for reason in answer.reasons:
        write_text(book, page, row, _MODEL, reason, wrap=False, indent=1)
        row += 1
    row = _write_models(block, row, "The best that fit", answer.selection.fitting[:BEST])
    row = _write_models(block, row, "Nearest misses that would be picked instead", answer.selection.misses, is_missing=True)
    row = _write_sentences(block, row, "Gained by relaxing a limit", answer.relaxations)
    return _write_sentences(block, row, "", answer.notes)


def _write_limits(block: _Block, row: int) -> int:
    """Each limit, and how many it leaves out."""
    book, page, answer = block.book, block.page, block.answer
    if not answer.limits:
        page.put(row, _MODEL, "No limit is set.", book.looks.get(indent=1))
        return row + 1
    right = book.looks.get(bold=True, bottom="thin", align="right")
    page.put(row, _MODEL, "Limit", book.looks.get(bold=True, bottom="thin", indent=1))
    for place, head in enumerate(("Beyond it", "By it alone", "Unknown"), start=_FIRST):
        page.put(row, place, head, right)
    counts = answer.selection.counts[["beyond", "alone", "unknown"]].to_numpy().tolist()
    for text, figures in zip(answer.limits, counts, strict=True):
        row += 1
        write_text(book, page, row, _MODEL, text, wrap=False, indent=1)
        for place, figure in enumerate(figures, start=_FIRST):
            page.put(row, place, int(figure), book.looks.get(number_format="#,##0"))
    return row + 1


def _write_models(block: _Block, row: int, title: str, models: Sequence[int], *, is_missing: bool = False) -> int:
    """A table of candidates, with how far they miss and what binds them where they do; nothing where there is none."""
    if not models:
        return row
    book, page = block.book, block.page
    table, verdicts = block.answer.selection.table, block.answer.selection.verdicts
    page.put(row, _MODEL, title, book.looks.get(bold=True, indent=1))
    page.heights[row + 1] = 31
    heads = [MODEL, *block.columns, *((OF_BUDGET, BINDING) if is_missing else ())]
    for place, column in enumerate(heads, start=_MODEL):
        page.put(row + 1, place, column.header, book.looks.header(column))
    row += 2
    for model in models:
        record = table.iloc[model]
        name, link = str(record["model"]), block.rows.link(record)
        page.put(row, _MODEL, name, book.looks.link(name, indent=1, **_LINE), link=link if len(name) <= MAX_ADDRESS else None)
        values = [record[column.key] for column in block.columns]
        values += [verdicts["ratio"].iloc[model], verdicts["binding"].iloc[model]] if is_missing else []
        for place, (column, value) in enumerate(zip(heads[1:], values, strict=True), start=_FIRST):
            _write_value(block, row, place, column, value)
        row += 1
    return row


def _write_value(block: _Block, row: int, place: int, column: Column, value: Any) -> None:
    looks = block.book.looks
    if pd.isna(value):
        block.page.put(row, place, None, looks.get(**_LINE))
    elif column.is_figure:
        block.page.put(row, place, value, looks.get(number_format=number_format(column), **_LINE))
    else:
        block.page.put(row, place, str(value), looks.get(indent=1, quoted=is_formula_like(str(value)), **_LINE))


def _write_sentences(block: _Block, row: int, title: str, sentences: Sequence[str]) -> int:
    if sentences and title:
        block.page.put(row, _MODEL, title, block.book.looks.get(bold=True, indent=1))
        row += 1
    for sentence in sentences:
        write_text(block.book, block.page, row, _MODEL, sentence, wrap=False, indent=1, colour=styles.GREY)
        row += 1
    return row
