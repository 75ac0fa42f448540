"""The columns of training: on request only, kept beside the cost, and a failure of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nets_for_tests import WIDTH
from typer.testing import CliRunner

from reports import cli
from reports.columns.leaderboard_columns import LEADERBOARD, TRAINING, columns_for
from reports.config.config import Config
from reports.config.workspace import Workspace
from reports.leaderboard.leaderboard import read_leaderboard
from zoo.cache.store import Store
from zoo.jobs import RunSummary
from zoo.records import DeclaredModel
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, ZooSettings

MODELS = (
    DeclaredModel("linear", factory="nets_for_tests:linear", inputs=("4",)),
    DeclaredModel("normalised", factory="nets_for_tests:normalised", inputs=("4",)),
)
FIGURES = [column.key for column in TRAINING if column.key != "training_reason"]


def run(cache: Path, *, training: bool, batches: tuple[int, ...] = (1,)) -> tuple[RunSummary, pd.DataFrame]:
    zoos = {"mine": ZooSettings(models=MODELS, batches=batches)}
    summary = refresh(RefreshSettings(str(cache), zoos, execution=Execution(workers=1), training=training))
    return summary, Store(cache).costs().set_index(["arch", "batch"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[RunSummary, pd.DataFrame]]:
    """Without training, with it twice, and without it again."""
    cache = tmp_path_factory.mktemp("training") / "cache"
    return [run(cache, training=training, batches=(1, 2)) for training in (False, True, True, False)]


def test_training_is_counted_on_request_only(runs: list[tuple[RunSummary, pd.DataFrame]]) -> None:
    (first, plain), (second, trained), (third, _), (fourth, kept) = runs
    assert [first.counted, second.counted, third.counted, fourth.counted] == [4, 4, 0, 0]
    assert plain[["training_status", *FIGURES]].isna().all(axis=None)
    assert second.changed == 0  # a step beside a cost changes no figure of the cost
    pd.testing.assert_frame_equal(kept, trained)
    same = [
        column for column in plain if not str(column).startswith("training_") and column not in ("seconds", "counted_at", "run")
    ]
    pd.testing.assert_frame_equal(plain[same], trained[same])


def test_the_columns_are_those_of_a_step_of_the_batch(runs: list[tuple[RunSummary, pd.DataFrame]]) -> None:
    row = runs[1][1].query("arch == 'linear' and batch == 2").iloc[0]
    weights, inputs, outputs, number = 4 * (4 * 3 + 3), 4 * 2 * 4, 4 * 2 * 3, 4
    assert row["training_status"] == "exact"
    assert (row["training_forward_macs"], row["training_backward_macs"]) == (2 * 4 * 3, 2 * 4 * 3)
    assert (row["training_saved_bytes"], row["training_gradient_bytes"]) == (inputs, weights)
    # After the backward pass: gradients, outputs, the loss. Adam adds two moments, and twice the larger parameter while it steps.
    kept = weights + outputs + number
    assert row["training_adam_step_bytes"] == weights + inputs + 2 * weights + kept + 2 * 4 * 4 * 3
    assert row["training_momentum_step_bytes"] - row["training_sgd_step_bytes"] == weights


def test_what_cannot_be_trained_keeps_its_cost(runs: list[tuple[RunSummary, pd.DataFrame]]) -> None:
    costs = runs[1][1]
    assert costs["status"].eq("exact").all()
    failed = costs.query("arch == 'normalised' and batch == 1").iloc[0]
    assert failed["training_status"] == "failed"
    assert "Expected more than 1 value per channel when training" in failed["training_reason"]
    assert failed[FIGURES].isna().all()
    assert costs.query("arch == 'normalised' and batch == 2").iloc[0]["training_status"] == "exact"


def test_reports_have_the_columns_where_something_was_trained(tmp_path: Path) -> None:
    shown: list[set[str]] = []
    for training in (False, True):
        run(tmp_path / "cache", training=training)
        board = read_leaderboard(Workspace(str(tmp_path / "cache")))
        assert list(board) == [column.key for column in LEADERBOARD]
        shown.append({column.key for column in columns_for(board)})
    assert shown[1] - shown[0] == {column.key for column in TRAINING}
    result = CliRunner().invoke(cli.app, ["show", "mine/linear", "--cache", str(tmp_path / "cache"), "--format", "json"])
    text = CliRunner().invoke(cli.app, ["show", "mine/linear", "--cache", str(tmp_path / "cache")]).stdout
    (cost,) = json.loads(result.stdout)["costs"]
    assert cost["training_backward_macs"] == 4 * 3
    assert "Training" in text
    assert "Backward MACs" in text


def test_a_configuration_and_the_command_line_ask_for_it() -> None:
    document: dict[str, Any] = {"zoos": {"timm": {}}}
    assert not Config(**document).refresh_settings().training
    assert Config(**document, training=True).refresh_settings().training
    assert replace(Config(**document).refresh_settings(), training=True) == Config(**document, training=True).refresh_settings()


def test_count_tells_a_step_of_a_users_model() -> None:
    arguments = ["count", "nets_for_tests:normalised", "--input", "4", "--batch", str(WIDTH), "--training"]
    result = CliRunner().invoke(cli.app, [*arguments, "--format", "json"])
    (record,) = json.loads(result.stdout)
    products = WIDTH * 4 * 4
    assert (record["training"]["forward_macs"], record["training"]["backward_macs"]) == (products, products)
    assert record["training"]["optimizers"]["adamw"]["state_bytes"] == 2 * record["training"]["gradient_bytes"]
    assert [row["backward_macs"] for row in record["rows"]] == [products, products, 0]
    assert "A step of training" in CliRunner().invoke(cli.app, arguments).stdout
    refused = CliRunner().invoke(cli.app, [*arguments, "--by", "operation"])
    assert refused.exit_code != 0
