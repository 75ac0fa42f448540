"""Native charts of accuracy against cost: their points are cells of the workbook, so that a filter or an edit shows in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.columns import Column
from reports.excel import styles
from reports.excel.board import COST, SIZE, Board
from reports.excel.sheet import MAX_ROWS, Book
from reports.excel.text import clean_text
from reports.excel.writer import ChartScatter
from reports.exports.safe_text import is_formula_like

MAX_POINTS = 20_000  # more make a chart too slow to work with
_LABELS = 7


@dataclass(frozen=True)
class FrontierCells:
    """Where the frontier's points are: its sheet, and the columns of costs and qualities there."""

    sheet: str
    cost: int
    quality: int


def accuracy_chart(book: Book, board: Board, quality: Column, cells: FrontierCells | None) -> ChartScatter:
    """Accuracy against MACs on a logarithmic axis; the frontier is a series of its own with some of its models named."""
    chart = _scatter(book)
    chart.add_series(_all_models(board, COST, quality))
    if cells is not None:
        chart.add_series(_frontier_series(board, cells))
    figures = board.frame[[COST.key, quality.key]].dropna().astype("float64")
    low, high, outside = _linear_bounds(figures[quality.key])
    unseen = f"; {outside} below {low:g} % not shown" if outside else ""
    chart.set_title(
        {"name": f"{quality.title} accuracy against MACs{unseen}", "overlay": False, "name_font": _font(11, bold=True)}
    )
    chart.set_x_axis(_log_axis("MACs at the input size of each row (logarithmic)", figures[COST.key]))
    chart.set_y_axis(_axis(f"{quality.title} ({quality.unit})") | {"min": low, "max": high, "num_format": "0"})
    return chart


def size_chart(book: Book, board: Board) -> ChartScatter:
    """What can be drawn where no accuracy is known: parameters against MACs."""
    chart = _scatter(book)
    chart.add_series(_all_models(board, COST, SIZE))
    figures = board.frame[[COST.key, SIZE.key]].dropna().astype("float64")
    chart.set_title(
        {"name": "Parameters against MACs (no accuracy is known)", "overlay": False, "name_font": _font(11, bold=True)}
    )
    chart.set_x_axis(_log_axis("MACs at the input size of each row (logarithmic)", figures[COST.key]))
    chart.set_y_axis(_log_axis("Parameters (logarithmic)", figures[SIZE.key]))
    return chart


def _scatter(book: Book) -> ChartScatter:
    chart = book.workbook.add_chart({"type": "scatter", "subtype": "straight_with_markers"})
    chart.set_legend({"position": "bottom", "font": _font(9)})
    chart.set_chartarea({"border": {"color": styles.RULE}})
    chart.show_na_as_empty_cell()
    return chart


def _all_models(board: Board, x: Column, y: Column) -> dict[str, Any]:
    last = min(len(board.frame), MAX_ROWS, MAX_POINTS)
    places = {column.key: place for place, column in enumerate(board.columns)}
    name = "All models" if last == len(board.frame) else f"Best {last:,} of {len(board.frame):,} rows"
    return {
        "name": name,
        "categories": [board.sheet, 1, places[x.key], last, places[x.key]],
        "values": [board.sheet, 1, places[y.key], last, places[y.key]],
        "line": {"none": True},
        "marker": {"type": "circle", "size": 4, "border": {"none": True}, "fill": {"color": styles.MODELS, "transparency": 45}},
    }


def _frontier_series(board: Board, cells: FrontierCells) -> dict[str, Any]:
    points = board.frontier
    named = _spread(points[COST.key].to_numpy(dtype=np.float64))
    labels = [_label(name) if row in named else {"delete": True} for row, name in enumerate(points["arch"])]
    return {
        "name": "Frontier: none is as accurate with fewer MACs",
        "categories": [cells.sheet, 1, cells.cost, len(points), cells.cost],
        "values": [cells.sheet, 1, cells.quality, len(points), cells.quality],
        "line": {"color": styles.FRONTIER, "width": 1.5},
        "marker": {"type": "circle", "size": 5, "border": {"color": "#FFFFFF", "width": 0.5}, "fill": {"color": styles.FRONTIER}},
        "data_labels": {"value": True, "position": "left", "font": _font(8), "custom": labels},
    }


def _label(name: object) -> dict[str, Any]:
    """A point's name; one that would be read as a formula is left out."""
    text = clean_text(str(name))[:60]
    return {"delete": True} if is_formula_like(text) else {"value": text}


def _spread(costs: np.ndarray[Any, np.dtype[np.float64]]) -> set[int]:
    """Positions of points far enough from each other, on the logarithmic axis, to carry a name."""
    places = np.log10(np.maximum(costs, 1))
    if not len(places):
        return set()
    wanted = np.linspace(places[0], places[-1], _LABELS)
    chosen: list[int] = []
    for place in wanted:
        near = int(np.abs(places - place).argmin())
        if not chosen or places[near] - places[chosen[-1]] > 0.6 * (wanted[1] - wanted[0]):
            chosen.append(near)
    return set(chosen)


def _linear_bounds(values: pd.Series[float]) -> tuple[float, float, int]:
    """Rounded bounds of an axis that leave out only the lowest hundredth, and how many points that is."""
    low = max(0.0, math.floor(values.quantile(0.01) / 5) * 5)
    high = min(100.0, math.ceil((values.max() + 0.5) / 5) * 5)
    return low, max(high, low + 5), int((values < low).sum())


def _log_axis(title: str, values: pd.Series[float]) -> dict[str, Any]:
    positive = values[values > 0]
    low, high = (math.floor(math.log10(positive.min())), positive.max()) if len(positive) else (6, 1e9)
    return _axis(title) | {
        "log_base": 10, "major_unit": 10, "min": 10**low, "max": _round_up(high, 10 ** (low + 1)), "crossing": 10**low,
        "num_format": '[>=1000000000]#,##0,,," G";[>=1000000]#,##0,," M";#,##0," K"',
    }  # fmt: skip


def _round_up(value: float, least: float) -> float:
    """The next of 1, 2, 5, 10, 20 … that leaves a little room above the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(least, next(step * power for step in (1, 2, 5, 10, 20) if step * power >= 1.1 * value))


def _axis(title: str) -> dict[str, Any]:
    return {
        "name": title, "name_font": _font(9), "num_font": _font(9), "line": {"color": styles.RULE},
        "major_gridlines": {"visible": True, "line": {"color": "#E3E8ED", "width": 0.5}},
    }  # fmt: skip


def _font(size: int, *, bold: bool = False) -> dict[str, Any]:
    return {"size": size, "bold": bold, "color": styles.INK}
