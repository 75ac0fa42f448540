"""Facts that were in force when a run ended: the costs of the keys it planned, the accuracies of its models, and measured speeds.

The value of a key as of a run is the newest one in the cache when the run ended, whichever run counted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from zoo.cache.runs import RunRecord
from zoo.cache.schema.tables import KEY, TABLES
from zoo.cache.storage.parts import written_at
from zoo.cache.store import Store, to_pandas

RESULT_KEY = ("zoo", "arch", "tag", "input", "dataset", "metric")
"""Columns that together name one published accuracy of a run."""


@dataclass(frozen=True)
class RunFacts:
    """The facts that were in force when a run ended."""

    run: RunRecord
    costs: pd.DataFrame  # rows of `costs`, one for each key of the plan that had a value
    results: pd.DataFrame | None  # rows of `results`; None: the cache does not keep them for this run
    planned: pd.DataFrame  # KEY, of all keys of the plan


def read_run_facts(store: Store, runs: Sequence[RunRecord]) -> list[RunFacts]:
    """The facts of each of these runs."""
    history = to_pandas(store.read("costs"))
    plans, results_of = (_rows_by_name(store, *of, runs) for of in (("plans", "plan"), ("results", "results")))
    facts = []
    for run in runs:
        rows = newest_rows(history[history["counted_at"] <= end_in(history, run)])
        planned = planned_keys(plans.get(run.plan or ""), rows)
        results = results_of.get(run.results or "")
        results = _unchanged_results(store, run, planned) if results is None else _valid_results(results)
        facts.append(RunFacts(run, rows.merge(planned, on=list(KEY)).reset_index(drop=True), results, planned))
    return facts


def _rows_by_name(store: Store, table: str, column: str, runs: Sequence[RunRecord]) -> dict[str, pd.DataFrame]:
    """The rows of `plans` or `results` that these runs name, by their name."""
    names = sorted({name for run in runs if (name := getattr(run, column))})
    return {str(name): rows for name, rows in to_pandas(store.read(table, where={column: names})).groupby(column)}


def end_in(history: pd.DataFrame, run: RunRecord) -> pd.Timestamp:
    """When a run ended, by its own row and the rows of `costs`; a run that was killed ended with its last cost."""
    own = history.loc[(history["run"] == run.run).fillna(False), "counted_at"].max()
    end = pd.Timestamp(run.ended_at)
    return end if pd.isna(own) else max(end, own)


def end_of(store: Store, run: RunRecord) -> datetime:
    """The time at which a run ended; reading the cache as of it gives the state that the run left."""
    moment: datetime = end_in(to_pandas(store.read("costs", ["run", "counted_at"])), run).to_pydatetime()
    return moment


def newest_rows(history: pd.DataFrame) -> pd.DataFrame:
    """The row of each key that was counted last."""
    return history.sort_values("counted_at", kind="stable").drop_duplicates(list(KEY), keep="last")


def planned_keys(plan: pd.DataFrame | None, values: pd.DataFrame) -> pd.DataFrame:
    """The keys of a plan; if there is no plan, all keys that have a value."""
    keys = values if plan is None or plan.empty else plan
    return keys[list(KEY)].drop_duplicates()


def read_plan(store: Store, run: RunRecord) -> pd.DataFrame | None:
    """The keys that a run planned; None if the cache has no plan of it."""
    return to_pandas(store.read("plans", KEY, {"plan": [run.plan]})) if run.plan else None


def speeds_as_of(store: Store, moment: datetime) -> pd.DataFrame:
    """The newest measurement of each `SPEED_KEY` that the cache had at a moment."""
    return store.speeds(as_of=moment).dropna(subset=["zoo", "arch", "input", "variant", "device"]).reset_index(drop=True)


def _valid_results(results: pd.DataFrame) -> pd.DataFrame:
    """The rows with a key and a finite value; parts that zoometer did not write may have others."""
    results = results.dropna(subset=[*RESULT_KEY, "task", "value"])
    valid: pd.DataFrame = results[np.isfinite(results["value"].to_numpy(np.float64))]
    return valid


def _unchanged_results(store: Store, run: RunRecord, planned: pd.DataFrame) -> pd.DataFrame | None:
    """The accuracies of a run that names none, if those of its zoos have not been written again since then; otherwise None."""
    zoos = set(planned["zoo"])
    parts = store.load("accuracy").parts
    if any(written_at(file) > run.ended_at for file, part in parts.items() if not zoos.isdisjoint(part.zoos)):
        return None
    weights = to_pandas(store.read("weights", ["zoo", "arch", "tag", "task", "family", "classes"]))
    accuracy = to_pandas(store.read("accuracy", [*RESULT_KEY, "value"]))
    rows = accuracy.merge(weights, on=["zoo", "arch", "tag"])
    rows = rows.merge(planned[["zoo", "arch"]].drop_duplicates(), on=["zoo", "arch"])
    return _valid_results(rows.reindex(columns=TABLES["results"].names))
