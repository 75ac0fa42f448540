"""Each task is ranked by its own metric, with its own frontier, and never against another task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_cache import Cache, column

from reports.columns.accuracy_columns import ACCURACY_COLUMNS, ranking_accuracy
from reports.columns.column import Better
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.excel.sheets.board import make_boards
from reports.html.payload import build_payload
from reports.leaderboard.report import Report
from zoo.adapters.torchvision.zoo import TorchvisionZoo

CLEAN = {"dataset": "sintel-train-cleanpass", "metric": "end_point_error"}
BOX = {"dataset": "coco-val2017", "metric": "box_map"}
KEYPOINT = {"dataset": "coco-val2017", "metric": "keypoint_map"}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Tasks of which one has few MACs and high figures, another many MACs and errors in pixels."""
    cache = Cache(tmp_path / "cache")

    def add(name: str, macs: int, task: str, *results: tuple[dict[str, Any], float]) -> None:
        cache.model(name, macs, None, task=task)
        for of, value in results:
            cache.accuracy(name, "in1k", value, **of)

    add("flow_good", 90, "optical-flow", (CLEAN, 1.2))
    add("flow_bad", 95, "optical-flow", (CLEAN, 2.1))
    add("flow_cheap", 40, "optical-flow", (CLEAN, 1.9))
    add("flow_unknown", 1, "optical-flow")
    add("boxes", 30, "detection", (BOX, 37.0))
    add("boxes_beaten", 31, "detection", (BOX, 36.0))
    add("persons", 50, "keypoints", (BOX, 54.6), (KEYPOINT, 65.0))
    add("persons_beaten", 51, "keypoints", (BOX, 70.0), (KEYPOINT, 61.0))
    cache.model("classifier", 2, 70.0)
    cache.model("classifier_beaten", 3, 69.0)
    add("own", 1, "a task of somebody else")
    return cache.report()


def names(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table["arch"]]


def test_rows_stand_task_by_task_the_best_of_each_first(report: Report) -> None:
    assert names(report.leaderboard) == [
        "classifier", "classifier_beaten",
        "boxes", "boxes_beaten",
        "persons", "persons_beaten",
        "flow_good", "flow_cheap", "flow_bad", "flow_unknown",
        "own",
    ]  # fmt: skip


def test_each_task_has_its_own_frontier_by_its_own_metric(report: Report) -> None:
    on_frontier = {model for (model, _), flag in column(report, "on_frontier").items() if flag}
    assert on_frontier == {f"timm/{name}.in1k" for name in ("classifier", "boxes", "persons", "flow_good", "flow_cheap")}


def test_the_workbook_ranks_each_task_on_its_own_sheet(report: Report) -> None:
    boards = {board.task: board for board in make_boards(report.leaderboard, set())}
    assert {task: board.quality and board.quality.key for task, board in boards.items()} == {
        "classification": "imagenet_top1",
        "detection": "coco_box_map",
        "keypoints": "coco_keypoint_map",
        "optical-flow": "sintel_train_clean_epe",
        "a task of somebody else": None,
    }
    flow = boards["optical-flow"].frame
    assert dict(zip(names(flow), flow["rank"].astype(object), strict=True)) == {
        "flow_good": 1, "flow_cheap": 2, "flow_bad": 3, "flow_unknown": pd.NA,
    }  # fmt: skip
    assert len({board.sheet for board in boards.values()}) == len(boards)


def test_errors_are_no_costs_of_the_page(report: Report) -> None:
    payload = build_payload(report)
    assert {entry["key"] for entry in payload["accuracy"]} == {
        "imagenet_top1", "coco_box_map", "coco_keypoint_map", "sintel_train_clean_epe",
    }  # fmt: skip
    assert "macs" in payload["costs"]
    assert "sintel_train_clean_epe" not in payload["costs"]


def test_without_any_accuracy_there_is_no_metric() -> None:
    empty = pd.DataFrame({c.key: pd.Series([pd.NA], dtype="Float64") for c in LEADERBOARD})
    assert ranking_accuracy(empty) is None


def test_every_metric_of_torchvision_has_a_column() -> None:
    """Under its own name and with its dataset; errors are better the lower they are."""
    stated = {(row.dataset, row.metric) for row in TorchvisionZoo().published_accuracy()}
    columns = {(a.dataset, a.metric): a.column for a in ACCURACY_COLUMNS}
    assert stated == {
        ("imagenet-1k", "top1"), ("imagenet-1k", "top5"),
        ("coco-val2017", "box_map"), ("coco-val2017", "mask_map"), ("coco-val2017", "keypoint_map"),
        ("coco-val2017-voc-labels", "miou"), ("coco-val2017-voc-labels", "pixel_accuracy"),
        ("kinetics-400", "top1"), ("kinetics-400", "top5"),
        *((f"sintel-{part}-{way}pass", "end_point_error") for part in ("train", "test") for way in ("clean", "final")),
        ("kitti-train", "end_point_error_per_image"), ("kitti-train", "fl_all"), ("kitti-test", "fl_all"),
    }  # fmt: skip
    assert stated <= columns.keys()
    is_error = {pair for pair in stated if pair[0].startswith(("sintel", "kitti"))}
    assert {pair for pair in stated if columns[pair].better is Better.LOW} == is_error
    assert all(columns[pair].better is Better.HIGH for pair in stated - is_error)
