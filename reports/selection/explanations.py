"""A selection in sentences: why this model, which limits exclude the others, and what relaxing a limit would gain."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from reports.columns.budget_columns import INTERVAL, LATENCY, THROUGHPUT
from reports.columns.column import Better, Column
from reports.columns.format import UNKNOWN, figure_text, value_text
from reports.columns.limits import AnyLimit, Limit
from reports.selection.selection import Relaxation, SelectionResult, State


def relevant_columns(selection: SelectionResult) -> list[Column]:
    """The columns of the objectives, then those of the limits."""
    columns = [*selection.objectives, *(limit.column for limit in selection.limits)]
    return list({column.key: column for column in reversed(columns)}.values())[::-1]


def is_about_speed(selection: SelectionResult) -> bool:
    """Whether a limit or an objective is a latency or a throughput."""
    return not {LATENCY, THROUGHPUT}.isdisjoint(relevant_columns(selection))


def limit_text(limit: AnyLimit) -> str:
    """`Params ≤ 5.00 M`."""
    if isinstance(limit, Limit):
        return f"{limit.title} {'≥' if limit.is_least else '≤'} {value_text(limit.column, limit.bound)}"
    return f"{limit.title}: {' or '.join(limit.patterns)}"


def explain_pick(selection: SelectionResult, left_out: str = "") -> Iterator[str]:
    """Why the pick was picked, or that nothing fits; `left_out` are the limits that could not be tested."""
    fitting = selection.count(State.FITS)
    without = f" without {left_out}" if left_out else ""
    if selection.pick is None and fitting:
        objectives = " or ".join(column.title for column in selection.objectives)
        fit = (
            f"{fitting:,} candidates fit{without}, but none can be ranked: they have"
            if fitting > 1
            else f"One candidate fits{without}, but cannot be ranked: it has"
        )
        yield f"{fit} no {objectives}."
    elif selection.pick is None:
        yield f"Nothing fits{without}: each of {len(selection.table):,} candidates exceeds a limit or has no value for it."
    else:
        yield from _explain_rank(selection, selection.table.iloc[selection.pick], fitting, without)


def _explain_rank(selection: SelectionResult, pick: pd.Series, fitting: int, without: str) -> Iterator[str]:
    first, *others = selection.objectives
    of_these = f"of the {fitting:,} that fit" if fitting > 1 else "and is the only one that fits"
    yield f"{_candidate_name(pick)} has the {_best_end(first)} {first.title} ({value_text(first, pick[first.key])}) {of_these}{without}."
    is_equal = (selection.table[first.key] == pick[first.key]).fillna(False).to_numpy(dtype=bool)
    equals = int((selection.in_state(State.FITS) & is_equal).sum())
    if equals > 1 and others:
        value = value_text(others[0], pick[others[0].key])
        yield f"{equals} share it; among them it has the {_best_end(others[0])} {others[0].title} ({value})."
    yield from _explain_closest_limit(selection, pick)
    yield from _explain_latency(selection, pick)


def _explain_closest_limit(selection: SelectionResult, pick: pd.Series) -> Iterator[str]:
    """The limit of which the pick uses most."""
    limits = [x for x in selection.limits if isinstance(x, Limit) and x.bound and pick[x.column.key]]
    shares = [pick[x.column.key] / x.bound if not x.is_least else x.bound / pick[x.column.key] for x in limits]
    if limits:
        share, limit = max(zip(shares, limits, strict=True), key=lambda pair: pair[0])
        used = f"{1 / share - 1:.0%} above" if limit.is_least else f"{share:.0%} of"
        yield f"It is closest to {limit_text(limit)}: it has {value_text(limit.column, pick[limit.column.key])}, {used} it."


def _explain_latency(selection: SelectionResult, pick: pd.Series) -> Iterator[str]:
    """The origin of the pick's latency, where speed matters: its interval if it is estimated, or who published it."""
    if not is_about_speed(selection):
        return
    latency = f"Its latency of {value_text(LATENCY, pick[LATENCY.key])} is {pick.get('latency_from')}"
    low, high = (pick.get(name) for name in INTERVAL)
    if low is not None and not pd.isna(high):
        bound = next((x.bound for x in selection.limits if isinstance(x, Limit) and x.column == LATENCY), math.inf)
        beyond = ", which exceeds the limit at its upper end" if high > bound else ""
        yield f"{latency}: {figure_text(LATENCY, low)} to {value_text(LATENCY, high)} nine times in ten{beyond}."
    elif str(pick.get("latency_from")).startswith("published"):
        yield f"{latency}."


def origin_text(candidate: pd.Series) -> str:
    """The origin of a latency: `measured`, `published`, or `estimated 6.11–11.68` with its interval."""
    if pd.isna(candidate[LATENCY.key]) or pd.isna(candidate["latency_from"]):
        return UNKNOWN
    origin = str(candidate["latency_from"]).split(maxsplit=1)[0].rstrip(":,")
    low, high = (candidate[name] for name in INTERVAL)
    return origin if pd.isna(high) else f"{origin} {figure_text(LATENCY, low)}–{figure_text(LATENCY, high)}"


def _best_end(column: Column) -> str:
    return "highest" if column.better is Better.HIGH else "lowest"


def _candidate_name(candidate: pd.Series) -> str:
    """`timm/resnet50.a1_in1k at 3x224x224`."""
    return f"{candidate['model']} at {candidate['input']}"


def explain_relaxation(selection: SelectionResult, relaxation: Relaxation) -> str:
    """How far a limit has to move, and what that gains."""
    limit = relaxation.limit
    value, best = (selection.table[limit.column.key].iloc[row] for row in (relaxation.row, relaxation.best))
    if not isinstance(limit, Limit):
        return f"Allowing {limit.title.lower()} {value}: {_gain_text(selection, relaxation.best)}"
    step = f" ({relaxation.ratio - 1:+.1%})" if math.isfinite(relaxation.ratio) and not limit.is_least else ""
    further = (
        f"; at {value_text(limit.column, best)}: {_gain_text(selection, relaxation.best)}"
        if relaxation.best != relaxation.row
        else ""
    )
    return (
        f"{limit_text(limit)} moved to {value_text(limit.column, value)}{step}: {_gain_text(selection, relaxation.row)}{further}"
    )


def _gain_text(selection: SelectionResult, row: int) -> str:
    """A model with its first objective, and by how much it is better than the pick."""
    first = selection.objectives[0]
    value = selection.table[first.key].iloc[row]
    text = f"{_candidate_name(selection.table.iloc[row])}, {first.title} {value_text(first, value)}"
    if selection.pick is None:
        return text
    gained = value - selection.table[first.key].iloc[selection.pick]
    return f"{text} ({'+' if gained >= 0 else '−'}{value_text(first, abs(gained)) if gained else '0'})"


def explain_unknown(selection: SelectionResult) -> Iterator[str]:
    """How many candidates are left out because a value is missing."""
    missing = selection.verdicts["missing"][selection.in_state(State.UNKNOWN)].value_counts()
    if len(missing):
        yield f"Not known, so not considered: {'; '.join(f'{count:,} without {what}' for what, count in missing.items())}."
    if selection.unranked:
        yield f"{selection.unranked:,} of those that fit cannot be ranked: they have no value for an objective."
