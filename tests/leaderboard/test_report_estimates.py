"""From a configuration that asks for speeds to estimates in reports and selections, through real traces in a real cache."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from models_for_tests import build
from typer.testing import CliRunner

import zoo
from reports import cli
from reports.cli.common.errors import ExitCode
from reports.selection.speeds.estimate_rounding import STEPS_PER_E
from zoo.cache.store import Store
from zoo.devices.device_names import find_device
from zoo.estimation.estimate import estimate
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import Precision, RunConfig

pytestmark = pytest.mark.slow

CONFIG = """
cache: cache
out: out
zoos: {timm: {include: [test_vit, test_resnet, test_efficientnet]}}
accuracy: {fetch: false}
execution: {workers: 1}
traces: []
speed:
  - {device: rtx-4090, dtype: amp, batch: 8, layout: nhwc}
  - {device: stm32h743, dtype: float32}
budgets:
  card: {device: rtx-4090, dtype: amp, layout: nhwc, latency: 100ms, dataset: none, pareto: [latency], pick: latency}
reports: [{formats: [json]}]
"""
CARD = find_device("rtx-4090")


def zoometer(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer")
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estimates")
    (folder / "c.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        zoometer("run", "c.yaml", "--quiet")
    return folder


@pytest.fixture(autouse=True)
def stay_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def speeds(folder: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads((folder / "out" / "leaderboard.json").read_text())["speeds"])


def test_a_report_that_asks_for_speeds_has_the_traces_made(folder: Path) -> None:
    kept = Store(folder / "cache").traces(columns=["precision", "layout", "status"])
    assert set(zip(kept["precision"], kept["layout"], strict=True)) == {("amp", "nhwc"), ("fp32", "nchw")}
    assert set(kept["status"]) <= {"exact", "bound"}


def test_a_report_has_the_estimate_of_the_models_own_trace(speeds: pd.DataFrame) -> None:
    rows = speeds[(speeds["device"] == CARD.id) & (speeds["arch"] == "test_vit")]
    assert len(rows)
    for row in rows.to_dict("records"):
        shape = tuple(map(int, row["input"].split("x")))
        trace = zoo.trace(build("timm/test_vit").model, shape, precision="amp", layout="nhwc")
        workloads = pd.DataFrame(summarise(trace)).assign(model="mine")
        run = RunConfig(precision=Precision.AMP, layout="nhwc", batch=8)
        (expected,) = estimate(workloads, CARD, run, key=["model"]).to_dict("records")
        assert row["latency_from"] == expected["latency_from"]
        assert row["latency_ms"] == pytest.approx(
            float(f"{expected['latency_ms']:.3g}")
        )  # the interval is wider than a fourth digit
        widened = math.exp(1 / STEPS_PER_E)
        for name, most, least in (("latency_low_ms", 1, 1 / widened), ("latency_high_ms", widened, 1)):
            assert 0.99 * least < row[name] / expected[name] < 1.01 * most
        assert row["samples_per_s"] == pytest.approx(8000 / row["latency_ms"])


def test_a_device_without_estimates_has_no_figure_and_says_why(speeds: pd.DataFrame) -> None:
    rows = speeds[speeds["device"] == "stm32h743"]
    assert len(rows) >= 3
    assert rows["latency_ms"].isna().all()
    assert rows["latency_from"].str.contains("no estimate").all()


def test_a_selection_estimates_what_it_limits() -> None:
    answer: dict[str, Any] = json.loads(zoometer("select", "c.yaml", "--budget", "card", "--format", "json"))
    assert answer["pick"]["latency_from"] == "estimated, not calibrated"
    assert answer["pick"]["latency_low_ms"] < answer["pick"]["latency_ms"] < answer["pick"]["latency_high_ms"]
    assert any("nine times in ten" in sentence for sentence in answer["reasons"])
    limit = answer["pick"]["latency_ms"] / 2
    found = zoometer("select", "c.yaml", "--budget", "card", "--max-latency", f"{limit}ms", "--format", "json", code=1)
    assert json.loads(found)["nearest_misses"][0]["latency_ms"] == answer["pick"]["latency_ms"]


def test_a_latency_limit_without_traces_is_an_error_that_says_how_to_make_them() -> None:
    command = ("select", "c.yaml", "--device", "rtx-4090", "--dtype", "bf16", "--max-latency", "1ms", "--dataset", "none")
    result = CliRunner().invoke(cli.app, list(command), prog_name="zoometer")
    assert result.exit_code == ExitCode.USER
    assert (
        f"No latency is known for {CARD.name} at bfloat16: record workloads with `zoometer run CONFIG --traces bf16/nchw`"
        in " ".join(result.output.split())
    )


def test_a_selection_that_is_not_about_speed_estimates_none() -> None:
    answer = json.loads(zoometer("select", "c.yaml", "--device", "rtx-4090", "--dataset", "none", "--format", "json"))
    assert "latency_ms" not in answer["pick"]


def test_one_model_is_estimated_as_in_the_report(speeds: pd.DataFrame) -> None:
    row = speeds[(speeds["device"] == CARD.id) & (speeds["arch"] == "test_vit")].iloc[0]
    command = ("estimate", "timm/test_vit", "--device", CARD.id, "--dtype", "amp", "--layout", "nhwc", "--batch", "8")
    found = json.loads(zoometer(*command, "--input", row["input"], "--format", "json"))
    assert found["latency_ms"] == pytest.approx(row["latency_ms"])
    assert found["latency_low_ms"] < found["latency_ms"] < found["latency_high_ms"]
    assert sum(found["shares"].values()) == pytest.approx(1)
    layers = pd.DataFrame(found["layers"])
    assert layers["share"].sum() == pytest.approx(1)
    assert set(layers.loc[layers["time_ms"] > 0, "bound"]) <= {"compute", "memory", "overhead"}
    text = zoometer(*command, "--layers", "3")
    slowest = layers.sort_values("time_ms", ascending=False)["module"].iloc[0]
    assert slowest in text
    assert "The slowest 3 of" in text


def test_one_model_without_an_estimate_says_why() -> None:
    assert "no device like stm32h743" in zoometer("estimate", "timm/test_vit", "--device", "stm32h743", code=1)
    assert "not traced in this precision" in zoometer(
        "estimate", "timm/test_vit", "--device", "rtx-4090", "--dtype", "int8", code=1
    )
