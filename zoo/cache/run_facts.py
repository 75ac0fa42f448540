"""What was in force when a run ended: the costs of the keys it planned, the accuracies of its models, and measured speeds.

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
from zoo.records import SPEED_KEY

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
    names = {"plan": "plans", "results": "results"}
    wanted = {column: sorted({name for run in runs if (name := getattr(run, column))}) for column in names}
    tables = {column: to_pandas(store.read(table, where={column: wanted[column]})) for column, table in names.items()}
    by_name = {column: {str(name): rows for name, rows in table.groupby(column)} for column, table in tables.items()}
    facts = []
    for run in runs:
        rows = newest_rows(history[history["counted_at"] <= end_in(history, run)])
        planned = planned_keys(by_name["plan"].get(run.plan or ""), rows)
        results = by_name["results"].get(run.results or "")
        results = None if results is None else _sensible(results)
        costs = rows.merge(planned, on=list(KEY)).reset_index(drop=True)
        facts.append(RunFacts(run, costs, _unchanged_results(store, run, planned) if results is None else results, planned))
    return facts


def end_in(history: pd.DataFrame, run: RunRecord) -> pd.Timestamp:
    """When a run ended, by its row and those of `costs`; one that was killed ended with its last cost."""
    own = history.loc[(history["run"] == run.run).fillna(False), "counted_at"].max()
    end = pd.Timestamp(run.ended_at)
    return end if pd.isna(own) else max(end, own)


def end_of(store: Store, run: RunRecord) -> datetime:
    """The time at which the cache was as a run left it."""
    moment: datetime = end_in(to_pandas(store.read("costs", ["run", "counted_at"])), run).to_pydatetime()
    return moment


def newest_rows(history: pd.DataFrame) -> pd.DataFrame:
    """The row of each key that was counted last."""
    return history.sort_values("counted_at", kind="stable").drop_duplicates(list(KEY), keep="last")


def planned_keys(plan: pd.DataFrame | None, values: pd.DataFrame) -> pd.DataFrame:
    """The keys of a plan; all keys that have a value, if the plan is not known."""
    keys = values if plan is None or plan.empty else plan
    return keys[list(KEY)].drop_duplicates()


def read_plan(store: Store, run: RunRecord) -> pd.DataFrame | None:
    """The keys that a run planned; None where it does not say."""
    return to_pandas(store.read("plans", KEY, {"plan": [run.plan]})) if run.plan else None


def speeds_as_of(store: Store, moment: datetime) -> pd.DataFrame:
    """The newest measurement of each `SPEED_KEY` that the cache had at a moment."""
    frame = to_pandas(store.read("speed"))
    frame = frame[((frame["status"] == "measured") & (frame["added_at"] <= moment)).astype(bool)]
    frame = frame.sort_values(["measured_at", "added_at"], kind="stable", na_position="first")
    frame = frame.dropna(subset=["zoo", "arch", "input", "variant", "device"])
    return frame.drop_duplicates(list(SPEED_KEY), keep="last").reset_index(drop=True)


def _sensible(results: pd.DataFrame) -> pd.DataFrame:
    """The rows whose key and value are known; those of a stranger may not be."""
    known = results.dropna(subset=[*RESULT_KEY, "task", "value"])
    sensible: pd.DataFrame = known[np.isfinite(known["value"].to_numpy(np.float64))]
    return sensible


def _unchanged_results(store: Store, run: RunRecord, planned: pd.DataFrame) -> pd.DataFrame | None:
    """The accuracies of a run that names none, where those of its zoos have not been written again since; otherwise None."""
    zoos = set(planned["zoo"])
    parts = store.load("accuracy").parts
    if any(written_at(file) > run.ended_at for file, part in parts.items() if not zoos.isdisjoint(part.zoos)):
        return None
    weights = to_pandas(store.read("weights", ["zoo", "arch", "tag", "task", "family", "classes"]))
    accuracy = to_pandas(store.read("accuracy", [*RESULT_KEY, "value"]))
    rows = accuracy.merge(weights, on=["zoo", "arch", "tag"])
    rows = rows.merge(planned[["zoo", "arch"]].drop_duplicates(), on=["zoo", "arch"])
    return _sensible(rows.reindex(columns=TABLES["results"].names))
