"""The picture of a budget's answer: accuracy against a cost, with the frontier and the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.columns.column import Better
from reports.columns.format import value_text
from reports.columns.limits import Limit
from reports.exports.files import replacing
from reports.plot import labels
from reports.plot.points import Points
from reports.plot.theme import INCHES_WIDE, Style, Theme
from zoo.notebook import new_figure

FORMATS = ("png", "svg")
_TICKS = ((3.0, (1,)), (1.0, (1, 2, 5)), (0.5, (1, 2, 3, 4, 5, 7)), (0.0, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)))
"""Decades that an axis spans at least: the ticks in each."""
_MANY = 200
_LEFT_OUT = 0.03  # of the least accurate models that fit, where they are many
_AROUND = (0.25, 0.2)  # beyond what fits: decades of cost, and a share of the accuracies
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "zoometer",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.linewidth": 0.8,
}


def draw(points: Points, style: Style) -> Figure:
    """Every model a point: those that fit in their family's colour, the others grey; the frontier as steps, limits dashed."""
    theme = style.theme
    dpi = style.width_px / INCHES_WIDE
    with rc_context(_RC):
        figure = new_figure(
            width=INCHES_WIDE,
            height=style.height_px / dpi,
            dpi=dpi,
            facecolor=theme.surface,
            layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07),
        )
        FigureCanvasAgg(figure)  # what measures text, whatever the file's format will be
        axes = figure.add_subplot()
        _prepare_axes(axes, points, theme)
        _draw_points(axes, points, theme)
        dashed = _draw_limits(axes, points, theme)
        outside = _set_view(axes, points)
        frontier = _draw_frontier(axes, points, theme)
        _write_legend(figure, axes, theme)
        title = _write_title(figure, axes, points, style, outside)
        figure.draw_without_rendering()  # only now is it known where the axes are
        figure.set_layout_engine("none")
        title.set_x(axes.get_position().x0)
        _write_names(axes, points, style, [frontier, *dashed])
    return figure


def write(figure: Figure, path: Path) -> None:
    """Write a picture in the format of its suffix, one of `FORMATS`.

    Raises:
        OutputError: if the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    with rc_context(_RC), replacing(path) as temporary:
        figure.savefig(
            temporary, format=form, facecolor=figure.get_facecolor(), metadata={"Date": None} if form == "svg" else None
        )


def _prepare_axes(axes: Axes, points: Points, theme: Theme) -> None:
    axes.set_facecolor(theme.surface)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=theme.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, which="both", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    axes.set_xlabel(f"{points.cost.header}{_latency_origins(points)}", color=theme.ink, fontweight="bold", fontsize=9.5)
    axes.set_ylabel(points.accuracy.header, color=theme.ink, fontweight="bold", fontsize=9.5)


def _latency_origins(points: Points) -> str:
    """Origins of the latencies drawn: `, estimated` or `; 120 estimated, 3 measured`; empty for another cost."""
    table = points.answer.selection.table
    if points.cost.group != "Speed" or "latency_from" not in table:
        return ""
    known = table.loc[points.rows.index, "latency_from"].dropna().str.partition(" ")[0].str.rstrip(":,").value_counts()
    counts = [f"{count:,} {origin}" for origin, count in known.items()]
    return f"; {', '.join(counts)}" if len(counts) > 1 else "".join(f", {origin}" for origin in known.index)


def _draw_points(axes: Axes, points: Points, theme: Theme) -> None:
    rows, families = points.rows, points.families
    size = 26 if len(rows) < 500 else 14
    out = rows[~rows["fits"]]
    if len(out):
        axes.scatter(
            out["x"], out["y"], s=size * 0.5, color=theme.faint, alpha=0.7, linewidths=0, label=f"do not fit {len(out):,}"
        )
    fits = rows[rows["fits"]]
    colours = dict(zip(families, theme.families, strict=False))
    others = fits[~fits["family"].isin(families)]
    if len(others):
        label = f"{others['family'].nunique():,} others {len(others):,}"
        axes.scatter(others["x"], others["y"], s=size, color=theme.others, alpha=0.6, linewidths=0, label=label)
    for family in families:
        of = fits[fits["family"] == family]
        axes.scatter(of["x"], of["y"], s=size, color=colours[family], alpha=0.75, linewidths=0, label=f"{family} {len(of):,}")
    best = points.frontier
    fills = [colours.get(family, theme.others) for family in best["family"]]
    axes.scatter(best["x"], best["y"], s=44, c=fills, edgecolors=theme.ink, linewidths=1.1, zorder=5, gid="frontier")


def _draw_limits(axes: Axes, points: Points, theme: Theme) -> list[Line2D]:
    """Dashed lines at the limits on the quantities of the axes."""
    lines = []
    for limit in points.answer.selection.limits:
        if not isinstance(limit, Limit) or limit.column not in (points.cost, points.accuracy):
            continue
        is_x = limit.column == points.cost
        place = limit.bound / limit.column.scale
        line = axes.axvline if is_x else axes.axhline
        lines.append(line(place, color=theme.accent, linestyle=(0, (5, 3)), linewidth=1.3, zorder=3))
        text = f"{'≥' if limit.is_least else '≤'} {value_text(limit.column, limit.bound)}"
        axes.annotate(
            text,
            (place, 0) if is_x else (1, place),
            xycoords=axes.get_xaxis_transform() if is_x else axes.get_yaxis_transform(),
            xytext=(4, 5) if is_x else (-3, 4),
            textcoords="offset points",
            ha="left" if is_x else "right",
            color=theme.accent,
            fontsize=8,
        )
    return lines


def _set_view(axes: Axes, points: Points) -> int:
    """Set the view to the models that fit and the limits, with a margin, and return the number of models outside it.

    A few of the least accurate models would press all others into a strip: they are left out, unless the frontier has them.
    """
    rows = points.rows[points.rows["fits"]] if points.rows["fits"].any() else points.rows
    best, has_grey = points.frontier, not points.rows["fits"].all()
    bounds = [(x.column, x.bound / x.column.scale) for x in points.answer.selection.limits if isinstance(x, Limit)]
    x = [*rows["x"], *(bound for column, bound in bounds if column == points.cost and bound > 0)]
    y = [
        rows["y"].quantile(_LEFT_OUT if len(rows) > _MANY else 0),
        rows["y"].max(),
        *best["y"],
        *(bound for column, bound in bounds if column == points.accuracy),
    ]
    decades, share = _AROUND if has_grey else (0.0, 0.05)
    low, high = _widen(np.log10(min(x)), np.log10(max(x)), 0.04, 0.04, least=0.3)
    low, high = low - decades, high + decades
    bottom, top = _widen(min(y), max(y), share, 0.12, least=2)
    axes.set_xlim(10**low, 10**high)
    axes.xaxis.set_major_locator(LogLocator(subs=next(subs for decades, subs in _TICKS if high - low > decades), numticks=20))
    axes.set_ylim(bottom, top)
    is_seen = points.rows["x"].between(10**low, 10**high) & points.rows["y"].between(bottom, top)
    return int((~is_seen).sum())


def _widen(low: float, high: float, below: float, above: float, *, least: float) -> tuple[float, float]:
    """A range with shares of itself added at its ends."""
    span = max(high - low, least)
    return low - below * span, high + above * span


def _draw_frontier(axes: Axes, points: Points, theme: Theme) -> Line2D:
    """The frontier as steps, up to the worst cost of the models that fit."""
    best = points.frontier
    if best.empty:
        return axes.plot([], [])[0]
    is_high = points.cost.better is Better.HIGH
    fits = points.rows.loc[points.rows["fits"], "x"]
    x = [*best["x"], fits.min() if is_high else fits.max()]
    y = [*best["y"], best["y"].iloc[-1]]
    corners = [(x[0], y[0])]
    for place in range(1, len(x)):
        corners += [(x[place], y[place - 1]), (x[place], y[place])]
    line = np.array(corners)
    return axes.plot(line[:, 0], line[:, 1], color=theme.ink, linewidth=1.4, zorder=4, solid_joinstyle="miter", gid="steps")[0]


def _write_legend(figure: Figure, axes: Axes, theme: Theme) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    order = [*range(len(handles))]
    greys = [place for place in order if names[place].startswith("do not fit") or " others " in names[place]]
    order = [place for place in order if place not in greys] + greys[::-1]
    legend = figure.legend(
        [handles[place] for place in order], [names[place] for place in order], loc="outside lower left", ncols=5,
        frameon=False, fontsize=8.5, labelcolor=theme.ink, handletextpad=0.2, columnspacing=1.4, scatterpoints=1,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
            handle.set(sizes=[36])


def _write_title(figure: Figure, axes: Axes, points: Points, style: Style, outside: int) -> Text:
    answer = points.answer
    of = f" on {answer.device.name}" if answer.device and points.cost.group in ("Speed", "Memory") else ""
    cost = points.cost.title
    words = cost if cost[:2].isupper() else cost[0].lower() + cost[1:]
    title = style.title or f"{points.accuracy.title} against {words}{of}"
    axes.set_title(_subtitle(points, outside), loc="left", fontsize=8.5, color=style.theme.muted, linespacing=1.4)
    return figure.suptitle(title, ha="left", fontsize=13, fontweight="bold", color=style.theme.ink)


def _subtitle(points: Points, outside: int) -> str:
    """How the models run, the limits, and how many fit, or lie outside the view."""
    answer, selection = points.answer, points.answer.selection
    run = answer.run
    words = [run.describe()] if answer.device else [f"batch {run.batch}"] if run.batch > 1 else []
    counts = (
        f"{points.rows.loc[points.rows['fits'], 'model'].nunique():,} of {points.rows['model'].nunique():,} models fit"
        if selection.limits
        else f"{points.rows['model'].nunique():,} models"
    )
    more = [f"{outside:,} outside the picture"] if outside else []
    return "\n".join("  ·  ".join(line) for line in ([*words, *answer.limits], [counts, *more]) if line)


def _write_names(axes: Axes, points: Points, style: Style, lines: list[Line2D]) -> None:
    """Write the names of models on the frontier, as many as there is room for."""
    best, names = points.frontier, points.frontier_names
    if best.empty:
        return
    to_px = axes.transData.transform
    at = to_px(best[["x", "y"]].to_numpy())
    area = labels.Box(*axes.get_window_extent().extents)
    scale = style.width_px / INCHES_WIDE / 100  # of the distances in `labels`, which are for 100 dots an inch
    pieces = [line.get_transform().transform(line.get_xydata()) / scale for line in lines]
    taken = [*(labels.mark(*place) for place in at / scale), *(box for piece in pieces for box in labels.stairs(piece))]
    everything = to_px(points.rows[["x", "y"]].to_numpy()) / scale
    room = labels.Room(labels.Box(*(edge / scale for edge in area)), everything, taken)
    theme = style.theme
    for place in labels.spread(len(names))[: style.most_labels]:
        text = axes.text(0, 0, names[place], fontsize=8.5, color=theme.ink, transform=None, zorder=6, va="baseline")
        size = text.get_window_extent()
        x, y = at[place] / scale
        label_place = room.place(x, y, size.width / scale, size.height / scale)
        if label_place is None:
            text.remove()
            continue
        text.set_position((label_place.box.left * scale, label_place.box.bottom * scale - size.y0))
        if label_place.has_leader:
            end = labels.anchor(label_place.box, x)
            axes.plot(
                [x * scale, end[0] * scale],
                [y * scale, end[1] * scale],
                transform=None,
                color=theme.muted,
                linewidth=0.7,
                zorder=4,
            )
