"""The sheet *Budgets*: the answer to each budget of the configuration, as `zoometer select` gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.excel.budgets.limits_and_formulas import BINDING, OF_BUDGET
from reports.excel.sheets.board import MODEL, Board
from reports.excel.sheets.model_tables import MODEL_PLACE, write_models, write_section
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import MAX_ROWS, Book
from reports.selection.budget_answer import BudgetAnswer

BEST = 10
_APART = ["model", "input", "variant", "batch"]
_IDENTITY = tuple(c for c in LEADERBOARD if c.key in _APART[1:])
_LAST, _WIDEST = 10, 16  # columns: of headings, of tables


@dataclass(frozen=True)
class _AnswerBlock:
    page: Page
    answer: BudgetAnswer
    rows: dict[tuple[Any, ...], str]  # links to the row of each model

    @property
    def columns(self) -> list[Column]:
        """The columns of a model after its name."""
        table = self.answer.selection.table
        shown = [c for c in _IDENTITY if c.key == "input" or len(table[c.key].unique()) > 1]
        return [*shown, *(c for c in self.answer.columns if c not in shown)]


def write_answers(book: Book, boards: Sequence[Board], name: str) -> dict[str, str]:
    """Write the sheet of this name and return the link to the answer of each budget."""
    answers = book.report.budgets
    if not answers or not boards:
        return {}
    page = book.add_sheet(name, "Answers to the budgets of the configuration", colour=styles.GOOD)
    page.set_width(0, 0, 1.5)
    page.set_width(MODEL_PLACE, MODEL_PLACE, 54)
    page.set_width(MODEL_PLACE + 1, _WIDEST, 13)
    rows, links, row = _rows_of_models(boards), {}, 0
    for answer in answers:
        links[answer.name] = f"#'{name}'!A{row + 1}"
        row = _write_answer(_AnswerBlock(page, answer, rows), row) + 1
    page.print_nothing(_WIDEST + 1)
    return links


def _rows_of_models(boards: Sequence[Board]) -> dict[tuple[Any, ...], str]:
    """The link to each row of the leaderboards, by model, input, variant and batch."""
    links: dict[tuple[Any, ...], str] = {}
    for board in boards:
        for row, key in enumerate(board.frame[_APART].head(MAX_ROWS).itertuples(index=False, name=None), start=2):
            links.setdefault(key, f"#'{board.sheet}'!A{row}")
    return links


def _write_answer(block: _AnswerBlock, row: int) -> int:
    """Write one answer from this row on and return the row after it."""
    answer = block.answer
    row = write_section(block.page, row, f"Budget {answer.name}", _LAST)
    row = _write_sentences(block, _write_limit_counts(block, row), "", answer.reasons)
    row = _write_candidates(block, row, "The best that fit", answer.selection.fitting[:BEST])
    row = _write_candidates(
        block, row, "Nearest misses that would be picked instead", answer.selection.misses, (OF_BUDGET, BINDING)
    )
    row = _write_sentences(block, row, "Gained by relaxing a limit", answer.relaxations)
    return _write_sentences(block, row, "Assumptions and missing values", answer.notes)


def _write_limit_counts(block: _AnswerBlock, row: int) -> int:
    """Write each limit with the number of models that it leaves out."""
    page, answer = block.page, block.answer
    if not answer.limits:
        page.put(row, MODEL_PLACE, "No limit is set.", indent=1)
        return row + 1
    page.put(row, MODEL_PLACE, "Limit", bold=True, bottom="thin", indent=1)
    for place, head in enumerate(("Beyond it", "By it alone", "Unknown"), start=MODEL_PLACE + 1):
        page.put(row, place, head, bold=True, bottom="thin", align="right")
    counts = answer.selection.counts[["beyond", "alone", "unknown"]].to_numpy().tolist()
    for text, figures in zip(answer.limits, counts, strict=True):
        row += 1
        page.put(row, MODEL_PLACE, text, indent=1, valign="top")
        for place, figure in enumerate(figures, start=MODEL_PLACE + 1):
            page.put(row, place, int(figure), number_format="#,##0")
    return row + 1


def _write_candidates(block: _AnswerBlock, row: int, title: str, models: Sequence[int], more: tuple[Column, ...] = ()) -> int:
    """Write a table of models, with `more` columns on how far they miss; nothing without models."""
    if not models:
        return row
    verdicts = block.answer.selection.verdicts
    table = block.answer.selection.table.assign(**{OF_BUDGET.key: verdicts["ratio"], BINDING.key: verdicts["binding"]})
    rows = table.iloc[list(models)]
    block.page.put(row, MODEL_PLACE, title, bold=True, indent=1)
    links = [block.rows.get(tuple(model)) for model in rows[_APART].itertuples(index=False, name=None)]
    return write_models(block.page, row + 1, [MODEL, *block.columns, *more], rows, links)


def _write_sentences(block: _AnswerBlock, row: int, title: str, sentences: Iterable[str]) -> int:
    lines = list(sentences)
    if lines and title:
        block.page.put(row, MODEL_PLACE, title, bold=True, indent=1)
        row += 1
    for line in lines:
        block.page.put(row, MODEL_PLACE, line, indent=1, valign="top")
        row += 1
    return row
