"""What calls in Python give: results that a notebook shows as tables and pictures, and a program reads as data."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console

from reports.api.answering import BudgetRequest, draw_answer
from reports.columns.format import figure_text, value_text
from reports.exports.tables import export_table
from reports.models.comparison import Comparison, comparison_record
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.selection import State
from reports.terminal import comparison_text, selection_text
from reports.terminal.run_summary import CommandOutcome
from zoo.notebook import html_table, html_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_SHOWN = 12  # rows of a table in a notebook
_TEXT_WIDTH = 160  # characters


@dataclass(frozen=True)
class Choice:
    """The answer of `reports.select`: the model to pick, the frontier, and every candidate with its verdict."""

    answer: BudgetAnswer = field(repr=False)
    request: BudgetRequest = field(repr=False)

    @property
    def pick(self) -> dict[str, Any] | None:
        """The model to take: its name, its input, and the figures that limits and objectives are about; None if nothing fits."""
        pick: dict[str, Any] | None = self.to_dict()["pick"]
        return pick

    @property
    def frontier(self) -> pd.DataFrame:
        """The models that fit and that no other one beats in every objective, the pick first."""
        return self.candidates.iloc[list(self.answer.selection.frontier)].reset_index(drop=True)

    @property
    def candidates(self) -> pd.DataFrame:
        """Every model with its figures, its state (fits, over, unknown) and the limit that binds it most."""
        return selection_text.answer_table(self.answer)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the pick was picked, in sentences."""
        return self.answer.reasons

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, as `zoometer select --format json` prints it."""
        return selection_text.answer_record(self.answer)

    def plot(self, cost: str | None = None, *, dark: bool = False, title: str | None = None, labels: int = 15) -> Figure:
        """Accuracy against a cost, with the frontier and the limits: a figure of matplotlib that a notebook shows.

        Args:
            cost: params, macs, activations, peak_memory, memory, file_size, latency or throughput. None: a speed that is limited,
                else the cost of the frontier.
            dark: whether on a dark ground.
            title: None: what is drawn.
            labels: names on the frontier at most.

        Raises:
            ConfigError: if there is no such cost, or accuracy is left out.
            SpeedError: if no model has both.
        """
        from reports.plot.theme import Style

        return draw_answer(self.request, cost, Style(1200, 675, is_dark=dark, title=title, most_labels=labels))

    def __str__(self) -> str:
        return _as_text(lambda console: selection_text.print_answer(console, self.answer))

    def _repr_html_(self) -> str:
        answer, selection = self.answer, self.answer.selection
        headers = ["model", "input", *(column.header for column in answer.columns)]
        rows = [
            [row["model"], row["input"], *(figure_text(column, row[column.key]) for column in answer.columns)]
            for _, row in selection.table.iloc[selection.frontier[:_MOST_SHOWN]].iterrows()
        ]
        first, *others = answer.reasons
        counted = ", ".join(f"{selection.count(state):,} {word}" for state, word in _STATES.items())
        right = [column.header for column in answer.columns if column.is_figure]
        table = html_table(headers, rows, right=right) if rows else ""
        notes = "".join(map(html_text, (*others, f"Of {len(selection.table):,} candidates: {counted}.", *answer.notes)))
        return html_text(first, bold=True) + table + notes


_STATES = {State.FITS: "fit", State.OVER: "are beyond a limit", State.UNKNOWN: "lack a figure"}


@dataclass(frozen=True)
class ComparedModels:
    """The answer of `reports.compare`: models side by side, and how the others compare to the first."""

    comparison: Comparison = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """A row a model, with exact figures under the names of the exports."""
        rows = [{key: value for key, value in row.items() if not isinstance(value, dict)} for row in self.to_dict()["models"]]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, as `zoometer compare --format json` prints it."""
        return comparison_record(self.comparison)

    def __str__(self) -> str:
        return _as_text(lambda console: comparison_text.print_comparison(console, self.comparison))

    def _repr_html_(self) -> str:
        models, columns = self.comparison.models, self.comparison.columns
        headers = ["", *(model.name for model in models)]
        rows = [["input", *(model.cost["input"] for model in models)]]
        rows += [[column.title, *(value_text(column, model.figures[column.key]) for model in models)] for column in columns]
        return html_table(headers, rows, right=headers[1:])


@dataclass(frozen=True)
class Outcome:
    """The answer of `reports.run` and `reports.report`: what was counted, and the files that were written."""

    outcome: CommandOutcome = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The reports."""
        return self.outcome.files

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the reports should know."""
        return self.outcome.warnings

    @property
    def leaderboard(self) -> pd.DataFrame | None:
        """The leaderboard as the exports have it; None where no report was written."""
        return export_table(self.outcome.report, "leaderboard") if self.outcome.report else None

    @property
    def failing(self) -> int:
        """Models that could not be counted."""
        return self.outcome.summary.failing if self.outcome.summary else 0

    def _repr_html_(self) -> str:
        summary = self.outcome.summary
        counted = f"{summary.counted:,} of {summary.planned:,} rows counted now, {summary.failing:,} failing. " if summary else ""
        return html_text(f"{counted}Written:", bold=True) + html_table(("",), [(str(file),) for file in self.files])


def _as_text(print_on: Callable[[Console], None]) -> str:
    stream = io.StringIO()
    print_on(Console(file=stream, width=_TEXT_WIDTH, highlight=False, color_system=None, markup=False))
    return stream.getvalue().rstrip()
