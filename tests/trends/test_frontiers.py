"""Which models enter and leave a frontier, why, and the best within standing limits: from tables of a few rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from reports.columns.column import Better
from reports.columns.leaderboard_columns import LEADERBOARD, LEADERBOARD_BY_KEY
from reports.columns.table_rows import typed_table
from reports.config.budget_section import BudgetSection
from reports.selection.speeds.candidate_speeds import SpeedSources
from reports.trends.budgets import ConfiguredBudget, _remember_estimates, configured_series, standing_series
from reports.trends.frontiers import Axis, Move, frontier_changes, ranked_tasks, split_by_task
from zoo.devices.data_sheets import shipped_devices

MACS, PARAMS, TOP1, ERROR = (LEADERBOARD_BY_KEY[key] for key in ("macs", "params", "imagenet_top1", "sintel_train_clean_epe"))
CLASSIFIERS = Axis("classification", TOP1, MACS)
_TASKS = {"classification": TOP1, "optical-flow": ERROR}


def board(**models: tuple[float | None, float | None]) -> pd.DataFrame:
    """Classifiers with their accuracy and GMACs; one without GMACs has failed."""
    rows: list[dict[str, Any]] = [
        {"model": name, "task": "classification", "input": "3x224x224", "variant": "base", "batch": 1, "imagenet_top1": top1}
        | ({"status": "failed"} if gmacs is None else {"status": "exact", "macs": int(gmacs * 1e9), "params": int(gmacs * 1e7)})
        for name, (top1, gmacs) in models.items()
    ]
    return typed_table(pd.DataFrame(rows), LEADERBOARD)


def flows(**models: tuple[float, float]) -> pd.DataFrame:
    """Models of optical flow with their error and GMACs."""
    rows: list[dict[str, Any]] = [
        {"model": name, "task": "optical-flow", "input": "3x224x224", "variant": "base", "batch": 1, "status": "exact"}
        | {"sintel_train_clean_epe": error, "macs": int(gmacs * 1e9)}
        for name, (error, gmacs) in models.items()
    ]
    return typed_table(pd.DataFrame(rows), LEADERBOARD)


def moves(old: pd.DataFrame, new: pd.DataFrame, axis: Axis = CLASSIFIERS) -> dict[tuple[str, str], str]:
    """Why each model moved."""
    before, after = (split_by_task(each, _TASKS, [MACS, PARAMS])[axis.task] for each in (old, new))
    return {(change.move.value, change.model): change.why for change in frontier_changes(before, after, axis)}


BEFORE = board(small=(60, 0.1), large=(70, 1), beaten=(65, 2))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (board(small=(60, 0.1), large=(70, 1), beaten=(65, 2)), {}),
        (board(small=(60, 0.1), large=(70, 1), beaten=(80, 2)), {(Move.ENTERED, "beaten"): "Top-1 65.00 → 80.00 %"}),
        (board(small=(60, 0.1), large=(70, 1), beaten=(65, 0.5)), {(Move.ENTERED, "beaten"): "MACs 2.00 → 0.50 G"}),
        (
            board(small=(60, 0.1), beaten=(65, 2)),
            {
                (Move.ENTERED, "beaten"): "large at 3x224x224, which was better, is no longer in the run",
                (Move.LEFT, "large"): "no longer in the run",
            },
        ),
        (
            board(small=(60, 0.1), large=(70, 3), beaten=(65, 2)),
            {(Move.ENTERED, "beaten"): "large at 3x224x224, which was better, has changed: MACs 1.00 → 3.00 G"},
        ),
        (
            board(small=(60, 0.1), large=(70, None), beaten=(65, 2)),
            {
                (Move.ENTERED, "beaten"): "large at 3x224x224, which was better, has changed: it can no longer be counted",
                (Move.LEFT, "large"): "it can no longer be counted",
            },
        ),
        (board(small=(60, 0.1), large=(None, 1), beaten=(60, 2)), {(Move.LEFT, "large"): "Top-1 is unknown now"}),
        (
            board(small=(60, 0.1), large=(70, 1), beaten=(65, 2), better=(75, 0.5)),
            {
                (Move.ENTERED, "better"): "new in the cache",
                (Move.LEFT, "large"): "beaten by better at 3x224x224: 75.00 % for 0.50 G",
            },
        ),
    ],
)  # fmt: skip
def test_a_move_says_why(after: pd.DataFrame, expected: dict[tuple[str, str], str]) -> None:
    assert moves(BEFORE, after) == expected
    assert moves(after, after) == {}


def test_of_errors_less_is_better() -> None:
    axis = Axis("optical-flow", ERROR, MACS)
    assert ERROR.better is Better.LOW
    old, new = flows(a=(3.0, 1), b=(2.0, 2)), flows(a=(3.0, 1), b=(2.0, 2), c=(1.5, 2))
    assert moves(old, new, axis) == {
        ("entered", "c"): "new in the cache",
        ("left", "b"): f"beaten by c at 3x224x224: 1.5000 {ERROR.unit} for 2.00 G".replace("1.5000", f"{1.5:.{ERROR.digits}f}"),
    }
    picks = {
        series.title: series.picks
        for series in standing_series([split_by_task(new, {"optical-flow": ERROR}, [MACS, PARAMS])], {"optical-flow": ERROR})
    }
    assert [pick and pick.model for pick in picks["MACs ≤ 1 G"]] == ["a"]


def test_tasks_are_ranked_by_their_first_known_accuracy_the_largest_first() -> None:
    both = pd.concat([flows(a=(3.0, 1)), BEFORE], ignore_index=True)
    assert ranked_tasks(both) == {"classification": TOP1, "optical-flow": ERROR}


def test_standing_limits_that_nothing_or_everything_satisfies_are_left_out() -> None:
    tasks = {"classification": TOP1}
    series = standing_series(
        [split_by_task(each, tasks, [MACS, PARAMS]) for each in (BEFORE, board(small=(60, 0.1), twin=(60, 0.05)))], tasks
    )
    by_title = {each.title: [pick and pick.model for pick in each.picks] for each in series}
    assert by_title == {
        "MACs ≤ 0.3 G": ["small", "twin"],  # of equals the one of less cost
        "MACs ≤ 1 G": ["large", "twin"],
        "Params ≤ 5 M": ["small", "twin"],
    }


def test_each_model_is_estimated_once_and_none_that_is_known() -> None:
    asked: list[str] = []

    def estimate(rows: pd.DataFrame) -> pd.DataFrame:
        asked.extend(rows["arch"])
        figures = {"latency_ms": 1.0, "latency_low_ms": 0.5, "latency_high_ms": 2.0}
        return pd.DataFrame(figures, index=rows.index).astype("Float64").assign(latency_from=rows["arch"].astype("string"))

    def rows(*archs: str) -> pd.DataFrame:
        table = pd.DataFrame({"zoo": "timm", "arch": list(archs), "input": "3x224x224", "variant": "base"}, dtype="string")
        return table.assign(classes=pd.Series([1000] * len(archs), dtype="Int64"), tag="x").set_axis(range(5, 5 + len(archs)))

    known = (
        rows("known").assign(latency_ms=9.0, latency_low_ms=8.0, latency_high_ms=10.0, latency_from="before").drop(columns="tag")
    )
    remembering = _remember_estimates(estimate, known)
    first = remembering(rows("a", "known", "a"))
    assert first["latency_ms"].tolist() == [1.0, 9.0, 1.0]
    assert list(first.index) == [5, 6, 7]
    assert remembering(rows("b", "a"))["latency_from"].tolist() == ["b", "a"]
    assert asked == ["a", "b"]


def test_a_budget_with_a_device_gives_its_pick_and_a_frontier_of_latency() -> None:
    device = shipped_devices()["rtx-4090"]
    latencies = {"small": 2.0, "large": 9.0, "beaten": 12.0, "quick": 4.0}

    def estimate(rows: pd.DataFrame) -> pd.DataFrame:
        values = rows["arch"].map(latencies).astype("Float64")
        figures = dict.fromkeys(("latency_ms", "latency_low_ms", "latency_high_ms"), values)
        return pd.DataFrame(figures, index=rows.index).assign(latency_from=pd.Series("told", rows.index, dtype="string"))

    boards = [board(small=(60, 0.1), large=(70, 1)), board(small=(60, 0.1), large=(70, 1), quick=(72, 3))]
    boards = [
        each.assign(arch=each["model"], zoo="timm", tag="x", classes=1000, peak_activation_bytes=1, weight_bytes=4, params=1)
        for each in boards
    ]
    budget = BudgetSection(device="rtx-4090", latency="10ms", pareto=["latency"])  # type: ignore[arg-type]  # as the file has it
    (series,), (latency,) = configured_series([ConfiguredBudget("fast", budget, SpeedSources(device, estimate=estimate))], boards)
    assert [pick and pick.model for pick in series.picks] == ["large", "quick"]
    assert (series.name, series.is_configured) == ("fast", True)
    assert device.name in latency.title
    before, after = (split_by_task(each, _TASKS, [MACS, PARAMS, latency])["classification"] for each in boards)
    moved = {
        (change.move.value, change.model): change.cost
        for change in frontier_changes(before, after, Axis("classification", TOP1, latency))
    }
    assert moved == {("entered", "quick"): 4.0, ("left", "large"): 9.0}
