"""The memory of a model in a run configuration: as `zoometer select` derives it from the counts."""

from __future__ import annotations

import pandas as pd

from reports.columns.budget_columns import MEMORY, PEAK, WEIGHTS
from reports.selection.candidates import build_candidates
from zoo.records import CostKey, Status
from zoo.run_config import RunConfig

MEMORY_COLUMNS = (PEAK, WEIGHTS, MEMORY)
_MODEL = ["zoo", "arch", "input", "classes", "variant"]


def memory_in(costs: pd.DataFrame, run: RunConfig) -> tuple[pd.DataFrame, str]:
    """Of each model of a table of costs, its memory at a dtype and batch; and what is assumed, empty where nothing is.

    Returns:
        zoo, arch, input, classes, variant and the keys of `MEMORY_COLUMNS`, a row for each model and input; and the assumption.
    """
    counted = costs[costs["status"] != Status.FAILED.value]
    found = build_candidates(counted.assign(tag=None), run)
    return found.table[[*_MODEL, *(column.key for column in MEMORY_COLUMNS)]], " ".join(found.notes_on(MEMORY_COLUMNS))


def memory_of(memory: pd.DataFrame, key: CostKey) -> dict[str, float | None]:
    """The figures of one model, by column; None where they are not known."""
    is_it = (memory[["zoo", "arch", "input", "variant"]] == [key.zoo, key.arch, key.input, key.variant]).all(axis=1)
    is_it &= memory["classes"].isna() if key.classes is None else (memory["classes"] == key.classes).fillna(False)
    rows = memory[is_it].to_dict("records")
    return {
        column.key: None if not rows or pd.isna(rows[0][column.key]) else float(rows[0][column.key]) for column in MEMORY_COLUMNS
    }
