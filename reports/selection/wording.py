"""An answer in words: why this model, what binds the others, and what relaxing a limit would buy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.columns.budget_columns import INTERVAL, LATENCY, THROUGHPUT
from reports.columns.column import Better, Column
from reports.columns.limits import AnyLimit, Limit
from reports.selection.selection import Relaxation, Selected, State
from zoo.units import format_bytes

_BYTES_UNIT = "MB"  # of every column that holds bytes


def value_text(column: Column, value: Any) -> str:
    """A figure in a sentence: `7.79 M`, `81.44 %`, `853.0 KB`; a dash where it is unknown."""
    if column.unit == _BYTES_UNIT and value is not None and not pd.isna(value):
        return format_bytes(float(value), digits=2)
    return f"{figure_text(column, value)} {column.unit if column.is_figure and not pd.isna(value) else ''}".rstrip()


def figure_text(column: Column, value: Any) -> str:
    """A figure in the column's unit, without it: for a table whose header has it."""
    if value is None or pd.isna(value):
        return "–"
    if not column.is_figure:
        return str(value)
    return f"{float(value) / column.scale:,.{_digits(column, float(value))}f}"


def _digits(column: Column, value: float) -> int:
    """As many as the column shows, and as many more as a small value needs for two figures that say something."""
    shown = abs(value) / column.scale
    return column.digits if shown == 0 else max(column.digits, min(6, 1 - math.floor(math.log10(shown))))


def limit_text(limit: AnyLimit) -> str:
    """`Params ≤ 5.00 M`."""
    if isinstance(limit, Limit):
        return f"{limit.title} {'≥' if limit.is_least else '≤'} {value_text(limit.column, limit.bound)}"
    return f"{limit.title}: {' or '.join(limit.patterns)}"


def reasons(selected: Selected) -> list[str]:
    """Why the pick was picked, or that nothing fits; one sentence each."""
    if selected.pick is None:
        return [_why_no_pick(selected)]
    table, pick = selected.table, selected.table.iloc[selected.pick]
    first = selected.objectives[0]
    fitting = int((selected.verdicts["state"] == State.FITS).sum())
    best = f"the {_end(first)} {first.title} ({value_text(first, pick[first.key])})"
    of_these = f"of the {fitting:,} that fit" if fitting > 1 else "and is the only one that fits"
    sentences = [f"{name(table, selected.pick)} has {best} {of_these}."]
    fits = (selected.verdicts["state"] == State.FITS).to_numpy()
    equals = int((fits & (table[first.key] == pick[first.key]).fillna(False).to_numpy()).sum())
    if equals > 1 and len(selected.objectives) > 1:
        second = selected.objectives[1]
        sentences.append(
            f"{equals} share it; among them it has the {_end(second)} {second.title} ({value_text(second, pick[second.key])})."
        )
    sentences += _closest_limit(selected, pick)
    sentences += _known_latency(selected, pick)
    return sentences


def is_about_speed(selected: Selected) -> bool:
    """Whether an answer speaks of a latency or a throughput."""
    return not {column.key for column in shown_columns(selected)}.isdisjoint({LATENCY.key, THROUGHPUT.key})


def known_text(row: Mapping[Any, Any]) -> str:
    """How a latency is known, in a word: `measured`, `published`, or `estimated 6.11–11.68`, within which it lies nine times in ten."""
    known, (low, high) = row.get("latency_from"), (row.get(name) for name in INTERVAL)
    if known is None or pd.isna(known) or pd.isna(row.get(LATENCY.key)):
        return "–"
    word = str(known).split(maxsplit=1)[0].rstrip(":,")
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return word
    return f"{word} {figure_text(LATENCY, low)}–{figure_text(LATENCY, high)}"


def _known_latency(selected: Selected, pick: pd.Series) -> list[str]:
    """How the pick's latency is known, where the answer speaks of it: its interval where it was estimated, or who published it."""
    if not is_about_speed(selected):
        return []
    low, high = (pick.get(name) for name in INTERVAL)
    if low is None or high is None or pd.isna(high):
        is_published = str(pick.get("latency_from")).startswith("published")
        return [f"Its latency of {value_text(LATENCY, pick[LATENCY.key])} is {pick['latency_from']}."] if is_published else []
    interval = f"{figure_text(LATENCY, low)} to {value_text(LATENCY, high)}"
    latency = next((x for x in selected.limits if isinstance(x, Limit) and x.column.key == LATENCY.key), None)
    beyond = ", which reaches beyond the limit" if latency and high > latency.bound else ""
    how = f"Its latency of {value_text(LATENCY, pick[LATENCY.key])} is {pick['latency_from']}"
    return [f"{how}: {interval} nine times in ten{beyond}."]


def _why_no_pick(selected: Selected) -> str:
    fitting = int((selected.verdicts["state"] == State.FITS).sum())
    if fitting:
        unknown = " or ".join(column.title for column in selected.objectives)
        return f"{fitting:,} candidates fit, but none can be ranked: {unknown} is not known for them."
    return (
        f"Nothing fits: of {len(selected.table):,} candidates each is beyond a limit or has a limited figure that is not known."
    )


def _closest_limit(selected: Selected, pick: pd.Series) -> list[str]:
    """Which limit the pick uses most of."""
    used = [
        (pick[x.column.key] / x.bound if not x.is_least else x.bound / pick[x.column.key], x)
        for x in selected.limits
        if isinstance(x, Limit) and x.bound and pick[x.column.key]
    ]
    if not used:
        return []
    share, limit = max(used, key=lambda pair: pair[0])
    return [
        f"It is closest to {limit_text(limit)}: it has {value_text(limit.column, pick[limit.column.key])}, {share:.0%} of it."
    ]


def _end(column: Column) -> str:
    return "highest" if column.better is Better.HIGH else "lowest"


def name(table: pd.DataFrame, row: int) -> str:
    """`timm/resnet50.a1_in1k at 3x224x224`."""
    return f"{table['model'].iloc[row]} at {table['input'].iloc[row]}"


def relaxation_text(selected: Selected, relaxation: Relaxation) -> str:
    """What moving a limit would buy: how far it has to move, and what for."""
    limit, table, first = relaxation.limit, selected.table, selected.objectives[0]
    value = table[limit.column.key].iloc[relaxation.row]
    if not isinstance(limit, Limit):
        return f"Allowing {limit.title.lower()} {value}: {_gain(selected, relaxation.best, first)}"
    step = f" ({relaxation.ratio - 1:+.1%})" if math.isfinite(relaxation.ratio) and not limit.is_least else ""
    moved = f"{limit_text(limit)} moved to {value_text(limit.column, value)}{step}"
    further = ""
    if relaxation.best != relaxation.row:
        best = table[limit.column.key].iloc[relaxation.best]
        further = f"; at {value_text(limit.column, best)}: {_gain(selected, relaxation.best, first)}"
    return f"{moved}: {_gain(selected, relaxation.row, first)}{further}"


def _gain(selected: Selected, row: int, first: Column) -> str:
    value = selected.table[first.key].iloc[row]
    text = f"{name(selected.table, row)}, {first.title} {value_text(first, value)}"
    if selected.pick is None:
        return text
    gained = value - selected.table[first.key].iloc[selected.pick]
    return f"{text} ({'+' if gained >= 0 else '−'}{value_text(first, abs(gained)) if gained else '0'})"


def missing_text(selected: Selected) -> list[str]:
    """How many candidates are unknown, and which figures they lack."""
    unknown = selected.verdicts[selected.verdicts["state"] == State.UNKNOWN]
    lacking = unknown["missing"].value_counts()
    return [f"{count:,} without {missing}" for missing, count in lacking.items()]


def shown_columns(selected: Selected) -> list[Column]:
    """The columns an answer speaks of: those of the objectives, then those of the limits."""
    columns = [*selected.objectives, *(limit.column for limit in selected.limits)]
    return list({column.key: column for column in reversed(columns)}.values())[::-1]
