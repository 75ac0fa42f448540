"""From cached facts to the tables a report shows: weights joined with cost and accuracy, one row per weights and input size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from reports.columns.columns import ACCURACY_COLUMNS, COVERAGE, LEADERBOARD, UNMATCHED, Better, Column, Kind, quality_of
from reports.columns.frontier import frontier
from reports.leaderboard.accuracy_origin import snapshot_notes, source_note
from reports.leaderboard.breakdown import empty_breakdown, read_breakdown
from reports.leaderboard.report_parts import SPEEDS, BudgetAnswer, DeviceSpeed, PublishedAudit, WhatChanged
from zoo.adapters.base import select
from zoo.cache.schema.tables import TABLES
from zoo.cache.store import Store, to_pandas
from zoo.errors import CacheError
from zoo.records import Architecture, CostKey, Status, Task, Variant, is_unfit
from zoo.refresh.plan import classes_as_asked, cost_keys, input_as_asked, wanted_keys
from zoo.settings import RefreshSettings, ZooSettings

CONVENTION = "matmul"
_HEAD = ["zoo", "arch", "input", "classes"]  # an architecture with one of its heads, at one input
_KEY = list(CostKey._fields)
_SHOWN = {column.key for column in LEADERBOARD}
_COSTS = [*_KEY, *(name for name in TABLES["costs"].names if name in _SHOWN and name not in _KEY)]
_WEIGHTS = [name for name in TABLES["weights"].names if name in _SHOWN]
_WHOLE = {
    "architectures": ["zoo", "arch", "family", "task"],
    "weights": _WEIGHTS,
    "accuracy": ["zoo", "arch", "tag", "dataset", "metric", "input", "value"],
    "unmatched": [],
}
"""Columns of the tables, beside those of the costs, that a leaderboard needs."""

_TEXT = pd.StringDtype()
_DTYPES: dict[Kind, Any] = {Kind.INTEGER: pd.Int64Dtype(), Kind.NUMBER: pd.Float64Dtype(), Kind.FLAG: pd.BooleanDtype()}


@dataclass(frozen=True)
class Source:
    """Where figures come from."""

    name: str
    address: str
    retrieved_at: str
    note: str = ""


@dataclass(frozen=True)
class Totals:
    """How many there are of what the report speaks of."""

    architectures: int
    weights: int
    rows: int
    exact: int
    bound: int
    failed: int
    unfit: int = 0  # of the failed ones, those at an input, or in a form, that the architecture cannot take


@dataclass(frozen=True)
class Report:
    """Everything a renderer needs; renderers compute nothing and read no cache.

    `leaderboard` has the columns of `reports.columns.columns.LEADERBOARD`, `coverage` those of `COVERAGE`, `unmatched` those of
    `UNMATCHED`; whole numbers are `Int64`, other figures `Float64`, text `string`, flags `boolean`, and unknown is NA.
    """

    title: str
    created_at: datetime
    convention: str
    versions: dict[str, str]
    totals: Totals
    leaderboard: pd.DataFrame
    coverage: pd.DataFrame
    unmatched: pd.DataFrame
    warnings: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    command: str = ""  # what makes this report again
    notes: tuple[str, ...] = ()  # differences a reader should know, such as auxiliary heads
    breakdown: pd.DataFrame = field(
        default_factory=empty_breakdown
    )  # of each architecture at one input: `reports.leaderboard.breakdown`
    changes: WhatChanged | None = None  # since the run before; None where there was none
    budgets: tuple[BudgetAnswer, ...] = ()  # one for each configured budget
    audits: tuple[PublishedAudit, ...] = ()  # one for each published table the configuration names
    device_speeds: tuple[DeviceSpeed, ...] = ()  # one for each run configuration whose speed the configuration asks for

    @property
    def latencies(self) -> tuple[Column, ...]:
        """Columns of the leaderboard beside the declared ones: the latency in each run configuration that was asked for."""
        return tuple(speed.latency for speed in self.device_speeds)

    @property
    def speeds(self) -> pd.DataFrame:
        """The speeds in every run configuration, with the columns of `reports.leaderboard.report_parts.SPEEDS`."""
        rows = [speed.rows for speed in self.device_speeds]
        return pd.concat(rows, ignore_index=True) if rows else typed(pd.DataFrame(), SPEEDS)


@dataclass(frozen=True)
class _Facts:
    """The cache's tables, narrowed to what the settings select."""

    wanted: pd.DataFrame  # keys of the costs asked for, whether they were counted or not
    architectures: pd.DataFrame
    weights: pd.DataFrame
    costs: pd.DataFrame
    accuracy: pd.DataFrame
    unmatched: pd.DataFrame
    zoos_with_results: frozenset[str] = frozenset()  # whether selected or not


def build_report(settings: RefreshSettings, *, title: str) -> Report:
    """The report of the selected models, from the cache alone.

    Raises:
        CacheError: if the cache holds nothing of the selection.
    """
    facts = _read_facts(settings)
    return Report(
        title=title,
        created_at=datetime.now(UTC),
        convention=CONVENTION,
        versions=_versions(facts),
        totals=_totals(facts),
        leaderboard=_leaderboard(facts),
        coverage=_coverage(facts),
        unmatched=typed(facts.unmatched, UNMATCHED),
        warnings=tuple(_warnings(facts)),
        sources=_sources(facts),
        notes=(*snapshot_notes(facts.weights, facts.accuracy), *_notes_on_axes(settings), *_notes(facts)),
        breakdown=read_breakdown(Store(settings.cache), _native_costs(facts)),
    )


def read_leaderboard(settings: RefreshSettings) -> pd.DataFrame:
    """The leaderboard of that report alone, for those who ask for an answer and not for a page.

    Raises:
        CacheError: if the cache holds nothing of the selection.
    """
    return _leaderboard(_read_facts(settings))


def read_whole_leaderboard(cache: str) -> pd.DataFrame:
    """The leaderboard of all that a cache holds, whatever configurations filled it.

    Raises:
        CacheError: if it holds no counts.
    """
    store = Store(cache)
    costs = store.costs(columns=_COSTS)
    if costs.empty:
        raise CacheError(f"The cache '{cache}' holds no counts. Name another one, or fill it with: zoometer run CONFIG")
    tables = {name: to_pandas(store.read(name, columns)) for name, columns in _WHOLE.items()}
    return _leaderboard(_Facts(costs[_KEY], costs=costs, zoos_with_results=frozenset(tables["accuracy"]["zoo"]), **tables))


def _leaderboard(facts: _Facts) -> pd.DataFrame:
    trained = _weights_rows(facts)
    return _finish(pd.concat([trained, _untrained_rows(facts, trained)], ignore_index=True))


def _read_facts(settings: RefreshSettings) -> _Facts:
    store = Store(settings.cache)
    chosen = {name: _chosen(store, name, zoo) for name, zoo in settings.zoos.items()}
    if not any(chosen.values()):
        raise CacheError(
            f"The cache '{settings.cache}' holds nothing of what the config selects. Fill it with: zoometer run CONFIG"
        )
    results = store.accuracy()
    wanted: set[CostKey] = set()
    for name, architectures in chosen.items():
        of_zoo = [result for result in results if result.zoo == name]
        wanted.update(wanted_keys(architectures, settings.zoos[name], of_zoo))
    names = pd.DataFrame([(a.zoo, a.name) for group in chosen.values() for a in group], columns=["zoo", "arch"], dtype="string")
    costs = store.costs()
    costs = costs[pd.Series([key in wanted for key in cost_keys(costs)], dtype=bool)]
    unmatched = to_pandas(store.read("unmatched"))
    return _Facts(
        _key_table(wanted),
        _as_asked(to_pandas(store.read("architectures")).merge(names, on=["zoo", "arch"]), settings),
        _as_asked(to_pandas(store.read("weights")).merge(names, on=["zoo", "arch"]), settings),
        costs,
        _as_asked(to_pandas(store.read("accuracy")).merge(names, on=["zoo", "arch"]), settings),
        unmatched[unmatched["zoo"].isin(list(settings.zoos))],
        frozenset(result.zoo for result in results),
    )


def _key_table(keys: set[CostKey]) -> pd.DataFrame:
    table = pd.DataFrame(sorted(keys, key=repr), columns=_KEY)
    text = dict.fromkeys(["zoo", "arch", "input", "variant"], "string")
    return table.astype({**text, "classes": "Int64", "batch": "Int64"})


def _as_asked(rows: pd.DataFrame, settings: RefreshSettings) -> pd.DataFrame:
    """Rows with the head and the channels that the settings put in place of those the weights were trained with."""
    zoos = [settings.zoos[zoo] for zoo in rows["zoo"]]
    asked: dict[str, Any] = {
        "input": pd.array([input_as_asked(i, zoo) for i, zoo in zip(rows["input"], zoos, strict=True)], dtype="string")
    }
    if "classes" in rows:
        heads = [None if pd.isna(classes) else int(classes) for classes in rows["classes"]]
        asked["classes"] = pd.array([classes_as_asked(h, zoo) for h, zoo in zip(heads, zoos, strict=True)], dtype="Int64")
    return rows.assign(**asked)


def _chosen(store: Store, zoo: str, settings: ZooSettings) -> list[Architecture]:
    listed = [a for a in store.architectures() if a.zoo == zoo]
    return select(listed, settings.selection) if listed else []


def _weights_rows(facts: _Facts) -> pd.DataFrame:
    """Each set of weights at its native input, where that is asked for, and wherever it was evaluated, with its cost there."""
    identity = ["zoo", "arch", "tag"]
    evaluated = facts.accuracy[[*identity, "input"]].drop_duplicates()
    weights = facts.weights[_WEIGHTS]
    elsewhere = weights.drop(columns="input").merge(evaluated, on=identity)
    rows = pd.concat([weights, elsewhere], ignore_index=True).drop_duplicates([*identity, "input"])
    rows = rows.merge(facts.wanted[facts.wanted["variant"] != Variant.FEATURES], on=_HEAD)
    results = facts.accuracy.pivot_table(
        index=[*identity, "input"], columns=["dataset", "metric"], values="value", aggfunc="last"
    )
    results.columns = pd.Index([_accuracy_key(*published) for published in results.columns.to_list()])
    rows = rows.merge(results[[c for c in results.columns if c]].reset_index(), on=[*identity, "input"], how="left")
    rows = rows.merge(facts.costs[_COSTS], on=_KEY, how="left")
    rows["model"] = rows["zoo"] + "/" + rows["arch"] + ("." + rows["tag"]).mask(rows["tag"] == "", "")
    return rows


def _accuracy_key(dataset: str, metric: str) -> str:
    return next((a.column.key for a in ACCURACY_COLUMNS if (a.dataset, a.metric) == (dataset, metric)), "")


def _untrained_rows(facts: _Facts, trained: pd.DataFrame) -> pd.DataFrame:
    """Counted architectures at inputs where no weights stand for them: without a tag, and without accuracy."""
    covered = trained[_KEY].drop_duplicates().assign(is_covered=True)
    rows = facts.costs[_COSTS].merge(covered, on=_KEY, how="left")
    rows = rows[rows["is_covered"].isna()].drop(columns="is_covered")
    rows = rows.merge(facts.architectures[["zoo", "arch", "family", "task"]], on=["zoo", "arch"])
    rows["task"] = rows["task"].mask(rows["variant"] == Variant.FEATURES, Task.FEATURES.value)  # whatever its head would do
    rows["model"] = rows["zoo"] + "/" + rows["arch"]
    return rows


def _finish(rows: pd.DataFrame) -> pd.DataFrame:
    """Declared columns and types; task by task, each with its own frontier and the best by its own metric first."""
    rows = rows.assign(
        status=rows["status"].fillna(Status.FAILED.value),
        reason=rows["reason"].mask(rows["status"].isna(), "not counted yet; zoometer run counts it"),
        on_frontier=False,
    )
    table = typed(rows, LEADERBOARD)
    figures = table[["task", "model", "macs", *(accuracy.column.key for accuracy in ACCURACY_COLUMNS)]]
    boards = [_ranked(group) for _, group in figures.groupby("task", sort=False, dropna=False)]
    boards.sort(key=lambda board: _task_order(board["task"].iloc[0]))
    if not boards:
        return table
    ranked = pd.concat(boards)
    return table.loc[ranked.index].assign(on_frontier=ranked["on_frontier"].astype(_DTYPES[Kind.FLAG])).reset_index(drop=True)


def _ranked(board: pd.DataFrame) -> pd.DataFrame:
    """One task's figures with their frontier, the best first; errors are better the lower they are."""
    quality = quality_of(board)
    board = board[["task", "model", "macs", *([quality.key] if quality else [])]]
    if quality is None:
        return board.assign(on_frontier=False).sort_values(["macs", "model"], na_position="last")
    is_error = quality.better is Better.LOW
    costs, qualities = (["macs", quality.key], []) if is_error else (["macs"], [quality.key])
    board = board.assign(on_frontier=frontier(board, costs, qualities))
    return board.sort_values([quality.key, "macs", "model"], ascending=[is_error, True, True], na_position="last")


def _task_order(task: Any) -> tuple[int, str]:
    """Tasks as `Task` lists them, those of other zoos behind."""
    known = list(Task)
    return (known.index(task), "") if task in known else (len(known), "" if pd.isna(task) else str(task))


def typed(rows: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Rows as a table of a report: exactly the declared columns and their types; what is unknown is NA."""
    missing = pd.Series(pd.NA, index=rows.index, dtype="object")
    return pd.DataFrame({c.key: pd.Series(rows.get(c.key, missing)).astype(_DTYPES.get(c.kind, _TEXT)) for c in columns})


def _coverage(facts: _Facts) -> pd.DataFrame:
    rows = facts.costs[facts.costs["status"] != Status.EXACT]
    rows = rows.merge(facts.architectures[["zoo", "arch", "task"]], on=["zoo", "arch"])
    return typed(rows.sort_values(["status", "zoo", "arch"], ascending=[False, True, True]), COVERAGE).reset_index(drop=True)


def _native_costs(facts: _Facts) -> pd.DataFrame:
    """One counted cost of each architecture: as it is built, with its own head at its native input, or the next best."""
    native = facts.architectures[_HEAD].assign(is_native=True)
    counted = facts.costs[facts.costs["status"] != Status.FAILED].merge(native, on=_HEAD, how="left")
    counted = counted.assign(is_other=counted["is_native"].isna(), is_changed=counted["variant"] != Variant.BASE)
    return counted.sort_values(["is_changed", "is_other", "batch"], kind="stable").drop_duplicates(["zoo", "arch"])


def _totals(facts: _Facts) -> Totals:
    status = facts.costs["status"]
    return Totals(
        architectures=len(facts.architectures),
        weights=len(facts.weights),
        rows=len(facts.costs),
        exact=int((status == Status.EXACT).sum()),
        bound=int((status == Status.BOUND).sum()),
        failed=int((status == Status.FAILED).sum()),
        unfit=sum(map(is_unfit, status, facts.costs["reason"].fillna(""))),
    )


def _versions(facts: _Facts) -> dict[str, str]:
    """zoometer's own version, and those the counts were made with, the newest first where there are several."""
    from importlib.metadata import version  # slow to import, and no answer to a budget needs it

    versions = {"zoometer": version("zoometer")}
    for zoo, rows in facts.costs.groupby("zoo"):
        versions[str(zoo)] = ", ".join(sorted(rows["library_version"].dropna().unique(), reverse=True))
    versions["torch"] = ", ".join(sorted(facts.costs["torch_version"].dropna().unique(), reverse=True))
    return versions


def _warnings(facts: _Facts) -> list[str]:
    warnings = []
    if (facts.weights["zoo"] == "timm").any() and "timm" not in facts.zoos_with_results:
        warnings.append("timm's accuracy is not in the cache; zoometer run CONFIG puts it there, without a network as well.")
    for zoo, rows in facts.costs.groupby("zoo"):
        if len(rows["library_version"].unique()) > 1:
            newest = rows.sort_values("counted_at")["library_version"].iloc[-1]
            stale = int((rows["library_version"] != newest).sum())
            warnings.append(f"{stale} costs of {zoo} were counted with another version than {newest}; zoometer run renews them.")
    return warnings


def _sources(facts: _Facts) -> tuple[Source, ...]:
    counted = Source(
        "Costs", "counted on torch's meta device", str(facts.costs["counted_at"].max().date()) if len(facts.costs) else ""
    )
    tables = facts.accuracy.groupby("source", sort=True)["retrieved_at"].max()
    published = (Source("Accuracy", str(source), str(when)[:10], source_note(str(source))) for source, when in tables.items())
    return (counted, *published)


def _notes_on_axes(settings: RefreshSettings) -> Iterator[str]:
    for name, zoo in settings.zoos.items():
        changes = [f"a head of {zoo.classes} outputs"] if zoo.classes is not None else []
        changes += [f"{zoo.in_channels} input channels"] if zoo.in_channels is not None else []
        if changes:
            yield f"{name}: costs are those with {' and '.join(changes)}; accuracies were published for the weights as they were trained."


def _notes(facts: _Facts) -> tuple[str, ...]:
    noted = facts.architectures[facts.architectures["note"].notna()]
    return tuple(f"{zoo}/{arch}: {note}." for zoo, arch, note in zip(noted["zoo"], noted["arch"], noted["note"], strict=True))
