"""Content of the page of trends: the summary, charts and budgets, and the moves on frontiers, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, starmap

from markupsafe import Markup

from reports.columns.column import Column
from reports.columns.format import figure_text
from reports.html.trends.chart import NARROW, WIDE, Line, Stop, draw
from reports.trends.budgets import Pick, Series, value_of
from reports.trends.frontiers import FrontierChange, Move
from reports.trends.trends import Step, Trends

MOST_MOVES, MOST_MOVES_OF_OTHERS = 80, 20
"""Moves on frontiers that are listed of the largest task and of each other one, the newest; the last run's are all listed."""
MOST_RUNS = 100
"""Runs that are listed, the newest."""
_ANY_TASK = "configured budgets"
_DASHES = {"macs": "", "params": "8 5"}
_CONFIGURED_DASH = "2 4"


@dataclass(frozen=True)
class TaskSection:
    """The trends of one task."""

    task: str
    accuracy: Column
    charts: tuple[tuple[str, Markup, Markup], ...]  # title, and the chart in the two sizes of which a screen shows one
    budgets: tuple[Series, ...]  # those within which anything ever fitted
    steps: tuple[Step, ...]  # with the moves on frontiers of this task, the newest first
    left_out: int  # moves that are not listed

    @property
    def summary(self) -> str:
        """One line for the folded section."""
        moves = sum(len(step.changes) for step in self.steps) + self.left_out
        return f"{moves:,} {'move' if moves == 1 else 'moves'} on its frontiers" if moves else "its frontiers are as they were"


def task_sections(trends: Trends) -> list[TaskSection]:
    """A section for each task with something to show, the largest first; configured budgets are with the task of their accuracy."""
    sections = []
    placed: set[str] = set()
    for task, accuracy in trends.tasks.items():
        own = [
            s for s in trends.series if s.task == task or (s.is_configured and s.accuracy == accuracy and s.title not in placed)
        ]
        placed.update(s.title for s in own if s.is_configured)
        section = _task_section(trends, task, accuracy, own)
        if section.budgets or section.steps:
            sections.append(section)
    rest = [series for series in trends.series if series.is_configured and series.title not in placed]
    return sections + [
        _task_section(trends, _ANY_TASK, accuracy, [series for series in rest if series.accuracy == accuracy])
        for accuracy in dict.fromkeys(series.accuracy for series in rest)
    ]


def _task_section(trends: Trends, task: str, accuracy: Column, series: Sequence[Series]) -> TaskSection:
    is_largest = task == next(iter(trends.tasks), None)
    budgets = tuple(each for each in series if any(each.picks))
    steps = [replace(s, changes=tuple(c for c in s.changes if c.axis.task == task)) for s in reversed(trends.steps)]
    steps = [step for step in steps if step.changes]
    listed = [0, *accumulate(len(step.changes) for step in steps)]  # moves above each step
    most = MOST_MOVES if is_largest else MOST_MOVES_OF_OTHERS
    shown = tuple(step for step, above in zip(steps, listed, strict=False) if above < most)
    charts = [_chart_by_run(trends, budgets)] if budgets else []
    if budgets and is_largest and 1 < len(trends.releases) < len(trends.points):
        charts.append(_chart_by_release(trends, budgets))
    return TaskSection(task, accuracy, tuple(charts), budgets, shown, listed[-1] - listed[len(shown)])


def _chart_by_run(trends: Trends, budgets: Sequence[Series]) -> tuple[str, Markup, Markup]:
    marks = ["", *starmap(changed_versions, pairwise(run.versions for run in trends.runs))]
    stops = [Stop((label,), mark) for label, mark in zip(run_labels(trends), marks, strict=True)]
    return _draw_budgets("Best accuracy at each run", [state for _, state in trends.points], stops, budgets)


def _chart_by_release(trends: Trends, budgets: Sequence[Series]) -> tuple[str, Markup, Markup]:
    """The best after the last run with each set of versions."""
    changed = starmap(changed_versions, pairwise([None, *(release.versions for release in trends.releases)]))
    stops = [Stop(tuple(versions.split(", "))) for versions in changed]
    return _draw_budgets(
        "Best accuracy by release of the libraries", [release.state for release in trends.releases], stops, budgets
    )


def _draw_budgets(
    title: str, states: Sequence[int], stops: Sequence[Stop], budgets: Sequence[Series]
) -> tuple[str, Markup, Markup]:
    lines = [_chart_line(series, [series.picks[state] for state in states]) for series in budgets]
    title = f"{title}: {budgets[0].accuracy.header}"
    description = f"{title}, {len(lines)} budgets, {', '.join(stops[0].label)} to {', '.join(stops[-1].label)}. The table below has the values."
    return title, draw(lines, stops, description, WIDE), draw(lines, stops, description, NARROW)


def _chart_line(series: Series, picks: Sequence[Pick | None]) -> Line:
    return Line(
        series.name,
        tuple(pick.accuracy / series.accuracy.scale if pick else None for pick in picks),
        tuple(f"{pick.model} at {pick.input}" if pick else "" for pick in picks),
        tuple(value_of(series, pick) for pick in picks),
        dash_of(series),
    )


def dash_of(series: Series) -> str:
    """The dashes of a budget's line: solid for limits on MACs, others for limits on parameters and for configured budgets."""
    return _DASHES[series.cost.key] if series.cost else _CONFIGURED_DASH


def accuracy_change(series: Series) -> str:
    """Accuracy of the best now less that at first: `+1.20`; empty if they are equal or one is unknown."""
    first, last = series.picks[0], series.picks[-1]
    change = "" if first is None or last is None else f"{(last.accuracy - first.accuracy) / series.accuracy.scale:+.2f}"
    return "" if change in ("+0.00", "-0.00") else change.replace("-", "−")


def best_since(trends: Trends, series: Series) -> str:
    """The day of the first run since which the present model has been the best."""
    since = trends.points[-1][0]
    for run, state in reversed(trends.points):
        one, now = series.picks[state], series.picks[-1]
        if (one and one.model, one and one.input) != (now and now.model, now and now.input):
            break
        since = run
    return f"{since.started_at:%Y-%m-%d}"


def count_moves(moves: Sequence[FrontierChange]) -> str:
    """`3 entered, 1 left`."""
    numbers = ((move, sum(change.move is move for change in moves)) for move in Move)
    return ", ".join(f"{number:,} {move.value}" for move, number in numbers if number)


def changed_versions(old: str | None, new: str | None) -> str:
    """The versions of a run that the one before it did not have: `timm 1.0.31`."""
    before = (old or "").split(", ")
    return ", ".join(version for version in (new or "").split(", ") if version and version not in before)


def run_labels(trends: Trends) -> list[str]:
    """The day of each run, with the time where two are of the same day."""
    days = [f"{run.started_at:%Y-%m-%d}" for run in trends.runs]
    return days if len(set(days)) == len(days) else [f"{run.started_at:%m-%d %H:%M}" for run in trends.runs]


def summary_lines(trends: Trends) -> list[str]:
    """The summary: the budgets with another best model, and the number of models that moved on frontiers."""
    lines = []
    main = next(iter(trends.tasks), None)
    for series in trends.series:
        first, last = series.picks[0], series.picks[-1]
        if first != last and last is not None and (series.is_configured or series.task == main):
            was = figure_text(series.accuracy, first and first.accuracy)
            lines.append(
                f"{series.title}: {series.accuracy.title} {was} → {value_of(series, last)}, now {last.model} at {last.input}."
            )
    moves = [change for step in trends.steps for change in step.changes]
    if moves:
        entered, left = (len({change.model for change in moves if change.move is move}) for move in Move)
        tasks = ", ".join(dict.fromkeys(change.axis.task for change in moves))
        lines.append(f"Frontiers of accuracy against a cost ({tasks}): {entered:,} models entered one, {left:,} left one.")
    return lines or ["No frontier and no best within a budget has changed."]
