"""What the page of trends shows, as text: the summary, a chart and a table of budgets, and the moves on frontiers, task by task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.columns.column import Column
from reports.columns.format import figure_text, value_text
from reports.html.trends.chart import NARROW, WIDE, Line, Stop, draw, swatch
from reports.trends.budgets import Series, value_of
from reports.trends.frontiers import FrontierChange, Move
from reports.trends.trends import Trends

MOST_MOVES, MOST_MOVES_OF_OTHERS = 80, 20
"""Moves on frontiers that are listed of the largest task and of each other one, the newest; the last run's are all listed."""
MOST_RUNS = 100
"""Runs that are listed, the newest."""
_ANY_TASK = "configured budgets"
_DASHES = {"macs": "", "params": "8 5"}
_CONFIGURED_DASH = "2 4"


@dataclass(frozen=True)
class Chart:
    """One chart in the two sizes of which a screen shows one."""

    title: str
    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class BudgetRow:
    """The best within one budget, first and now."""

    swatch: Markup
    budget: str
    first: str
    last: str
    change: str
    model: str
    since: str


@dataclass(frozen=True)
class StepMoves:
    """What one run moved on the frontiers of a task."""

    when: str
    versions: str  # that changed with it
    count: str  # `2 entered, 1 left`
    moves: tuple[FrontierChange, ...]


@dataclass(frozen=True)
class TaskSection:
    """The trends of one task."""

    task: str
    accuracy: Column
    charts: tuple[Chart, ...]
    budgets: tuple[BudgetRow, ...]
    steps: tuple[StepMoves, ...]
    left_out: int  # moves that there are besides

    @property
    def summary(self) -> str:
        """What a folded section says of itself."""
        moves = sum(len(step.moves) for step in self.steps) + self.left_out
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
        section = _section(trends, task, accuracy, own)
        if section.budgets or section.steps:
            sections.append(section)
    rest = [series for series in trends.series if series.is_configured and series.title not in placed]
    others = dict.fromkeys(series.accuracy for series in rest)
    return sections + [_section(trends, _ANY_TASK, one, [series for series in rest if series.accuracy == one]) for one in others]


def _section(trends: Trends, task: str, accuracy: Column, series: Sequence[Series]) -> TaskSection:
    is_largest = task == next(iter(trends.tasks), None)
    drawn = [each for each in series if any(each.picks)]
    steps = [*_step_moves(trends, task)][::-1]
    kept, left = [], MOST_MOVES if is_largest else MOST_MOVES_OF_OTHERS
    for step in steps:
        if left > 0:
            kept.append(step)
            left -= len(step.moves)
    left_out = sum(len(step.moves) for step in steps) - sum(len(step.moves) for step in kept)
    rows = tuple(_budget_row(trends, each, number) for number, each in enumerate(drawn))
    charts = [_chart_by_run(trends, accuracy, drawn)] if drawn else []
    if drawn and is_largest and 1 < len(trends.releases) < len(trends.points):
        charts.append(_chart_by_release(trends, accuracy, drawn))
    return TaskSection(task, accuracy, tuple(charts), rows, tuple(kept), left_out)


def _chart_by_run(trends: Trends, accuracy: Column, series: Sequence[Series]) -> Chart:
    labels = run_labels(trends)
    stops, before = [], None
    for (run, _), label in zip(trends.points, labels, strict=True):
        versions = run.versions or ""
        changed = versions != before and before is not None
        stops.append(Stop((label,), changed_versions(before or "", versions) if changed else ""))
        before = versions
    return _chart("Best accuracy at each run", [state for _, state in trends.points], stops, series, accuracy)


def _chart_by_release(trends: Trends, accuracy: Column, series: Sequence[Series]) -> Chart:
    """What the last run with each set of versions left."""
    releases = trends.releases
    olds = ["", *(release.versions for release in releases)]
    changed = [changed_versions(old, release.versions) for old, release in zip(olds, releases, strict=False)]
    stops = [Stop(tuple(versions.split(", "))) for versions in changed]
    return _chart("Best accuracy by release of the libraries", [release.state for release in releases], stops, series, accuracy)


def _chart(title: str, states: Sequence[int], stops: Sequence[Stop], series: Sequence[Series], accuracy: Column) -> Chart:
    lines = [_line(each, states) for each in series]
    said = f"{title}: {accuracy.header}, {len(lines)} budgets, {', '.join(stops[0].label)} to {', '.join(stops[-1].label)}. The table below has the values."
    return Chart(f"{title}: {accuracy.header}", draw(lines, stops, said, WIDE), draw(lines, stops, said, NARROW))


def _line(series: Series, states: Sequence[int]) -> Line:
    picks = [series.picks[state] for state in states]
    return Line(
        series.name,
        tuple(pick.accuracy / series.accuracy.scale if pick else None for pick in picks),
        tuple(f"{pick.model} at {pick.input}" if pick else "" for pick in picks),
        tuple(value_of(series, pick) for pick in picks),
        _dash(series),
    )


def _dash(series: Series) -> str:
    return _DASHES[series.cost.key] if series.cost else _CONFIGURED_DASH


def _budget_row(trends: Trends, series: Series, number: int) -> BudgetRow:
    first, last = series.picks[0], series.picks[-1]
    change = "" if first is None or last is None else f"{(last.accuracy - first.accuracy) / series.accuracy.scale:+.2f}"
    model = f"{last.model} at {last.input}" if last else "nothing fits"
    return BudgetRow(
        swatch(number, _dash(series)),
        series.title,
        figure_text(series.accuracy, first and first.accuracy),
        figure_text(series.accuracy, last and last.accuracy),
        "" if change in ("+0.00", "-0.00") else change.replace("-", "−"),
        model,
        _since(trends, series),
    )


def _since(trends: Trends, series: Series) -> str:
    """The first run from which on the pick was that of now."""
    since = trends.points[-1][0]
    for run, state in reversed(trends.points):
        one, now = series.picks[state], series.picks[-1]
        if (one and one.model, one and one.input) != (now and now.model, now and now.input):
            break
        since = run
    return f"{since.started_at:%Y-%m-%d}"


def _step_moves(trends: Trends, task: str) -> Iterator[StepMoves]:
    for step in trends.steps:
        moves = tuple(change for change in step.changes if change.axis.task == task)
        if moves:
            versions = changed_versions(step.before.versions or "", step.run.versions or "")
            yield StepMoves(f"{step.run.started_at:%Y-%m-%d %H:%M}", versions, count_moves(moves), moves)


def count_moves(moves: Sequence[FrontierChange]) -> str:
    """`3 entered, 1 left`."""
    numbers = ((move, sum(change.move is move for change in moves)) for move in Move)
    return ", ".join(f"{number:,} {move.value}" for move, number in numbers if number)


def changed_versions(old: str, new: str) -> str:
    """The versions that a run has and the one before it had not: `timm 1.0.31`."""
    before = old.split(", ")
    return ", ".join(version for version in new.split(", ") if version and version not in before)


def run_labels(trends: Trends) -> list[str]:
    """The day of each run, with the time where two are of the same day."""
    days = [f"{run.started_at:%Y-%m-%d}" for run in trends.runs]
    return days if len(set(days)) == len(days) else [f"{run.started_at:%m-%d %H:%M}" for run in trends.runs]


def summary_lines(trends: Trends) -> list[str]:
    """What a reader wants to know first: which best within a budget is another one, and how many models moved."""
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


def figure_texts(change: FrontierChange) -> tuple[str, str]:
    """The accuracy and the cost of a model that moved, with their units."""
    return value_text(change.axis.accuracy, change.accuracy), value_text(change.axis.cost, change.cost)
