"""Native charts of accuracy against cost: their points are cells of the workbook, so that a filter or an edit shows in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from openpyxl.chart.scatter_chart import ScatterChart
from openpyxl.chart.series import XYSeries
from openpyxl.utils import quote_sheetname

from reports.columns.column import Column
from reports.excel.charts import chart_parts
from reports.excel.sheets.board import COST, Board
from reports.excel.writer import styles
from reports.excel.writer.cells import address
from reports.excel.writer.sheet import MAX_ROWS, as_cells
from reports.excel.writer.text import clean_text
from reports.exports.safe_text import is_formula_like

MAX_POINTS = 20_000  # more make a chart too slow to work with
_LABELS = 7
_STEEP = 5  # points of accuracy for ten times the work
_AMOUNT = '[>=1000000000]#,##0,,," G";[>=1000000]#,##0,," M";#,##0," K"'
_MACS = "MACs at the input size of each row (logarithmic)"


@dataclass(frozen=True)
class FrontierCells:
    """The cells of a frontier's points: the sheet, the first row, and the columns of MACs and accuracy."""

    sheet: str
    row: int
    cost: int
    quality: int


def accuracy_chart(board: Board, quality: Column, cells: FrontierCells | None) -> ScatterChart:
    """Accuracy against MACs on a logarithmic axis; the frontier is a series of its own with some of its models named."""
    figures = board.frame[[COST.key, quality.key]].dropna().astype("float64")
    low, high, outside = _linear_bounds(figures[quality.key])
    unseen = f"; {outside} below {low:g} {quality.unit} not shown" if outside else ""
    chart = chart_parts.new_chart(f"{board.task}: {quality.title} against MACs{unseen}")
    chart.series.append(_models_series(board, quality))
    if cells is not None:
        chart.series.append(_frontier_series(board, quality, cells))
    chart_parts.set_axis(chart.x_axis, _MACS, *_log_bounds(figures[COST.key]), _AMOUNT, is_log=True)
    chart_parts.set_axis(chart.y_axis, f"{quality.title} ({quality.unit})", low, high, "0")
    return chart


def _models_series(board: Board, quality: Column) -> XYSeries:
    last = min(len(board.frame), MAX_ROWS, MAX_POINTS)
    places = {column.key: place for place, column in enumerate(board.columns)}
    name = "All models" if last == len(board.frame) else f"Best {last:,} of {len(board.frame):,} rows"
    rows = board.frame.iloc[:last]
    x_cells, y_cells = (_column_range(board.sheet, places[column.key], rows[column.key]) for column in (COST, quality))
    points = chart_parts.series(name, x_cells, y_cells)
    chart_parts.show_as_cloud(points)
    return points


def _frontier_series(board: Board, quality: Column, cells: FrontierCells) -> XYSeries:
    rows = board.frontier
    costs, qualities = (
        _column_range(cells.sheet, cells.cost, rows[COST.key], cells.row),
        _column_range(cells.sheet, cells.quality, rows[quality.key], cells.row),
    )
    points = chart_parts.series("Frontier: none is as accurate with fewer MACs", costs, qualities)
    chart_parts.show_as_line(points, styles.FRONTIER)
    names = [clean_text(str(name))[:60] for name in rows["arch"]]
    targets = sorted(_spread_positions(rows[COST.key].to_numpy(dtype=np.float64)))
    # A name that would be read as a formula is left out.
    chart_parts.name_points(
        points, {place: names[place] for place in targets if not is_formula_like(names[place])}, _steep_positions(rows, quality)
    )
    return points


def _column_range(sheet: str, place: int, values: pd.Series, row: int = 1) -> tuple[str, list[object]]:
    """The range of a table's column of figures from a row on, and its values."""
    first, last = (address(line, place, absolute="both") for line in (row, row + len(values) - 1))
    return f"{quote_sheetname(sheet)}!{first}:{last}", as_cells(values)


def _spread_positions(costs: np.ndarray[Any, np.dtype[np.float64]]) -> set[int]:
    """Positions of points far enough from each other, on the logarithmic axis, to carry a name."""
    places = np.log10(np.maximum(costs, 1))
    if not len(places):
        return set()
    targets = np.linspace(places[0], places[-1], _LABELS)
    chosen: list[int] = []
    for place in targets:
        near = int(np.abs(places - place).argmin())
        if not chosen or places[near] - places[chosen[-1]] > 0.6 * (targets[1] - targets[0]):
            chosen.append(near)
    return set(chosen)


def _steep_positions(frontier: pd.DataFrame, quality: Column) -> frozenset[int]:
    """Positions from which the line is so steep that it would cross a name above the point."""
    costs, qualities = (frontier[key].to_numpy(dtype=np.float64) for key in (COST.key, quality.key))
    gains, decades = np.diff(qualities), np.diff(np.log10(np.maximum(costs, 1)))
    return frozenset(int(place) for place in np.flatnonzero((gains > _STEEP * decades) & (gains > 1)))


def _linear_bounds(values: pd.Series[float]) -> tuple[float, float, int]:
    """Rounded bounds of an axis that leave out only the lowest hundredth, and how many points that is."""
    low = max(0.0, math.floor(values.quantile(0.01) / 5) * 5)
    high = min(100.0, math.ceil((values.max() + 0.5) / 5) * 5)
    return low, max(high, low + 5), int((values < low).sum())


def _log_bounds(values: pd.Series[float]) -> tuple[float, float]:
    positive = values[values > 0]
    power, high = (math.floor(math.log10(positive.min())), positive.max()) if len(positive) else (6, 1e9)
    return 10.0**power, _round_up(high, 10.0 ** (power + 1))


def _round_up(value: float, least: float) -> float:
    """The next of 1, 2, 5, 10, 20 … that leaves a little room above the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(least, next(step * power for step in (1, 2, 5, 10, 20) if step * power >= 1.1 * value))
