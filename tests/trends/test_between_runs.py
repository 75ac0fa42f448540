"""Real runs of a zoo whose second release changes its frontier: what `zoometer changes` says of them, from derived figures."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pytest
from typer.testing import CliRunner, Result
from zoo_of_releases import INPUT, TOP1, WIDTHS, macs, model, params, releases_in
from zoo_of_versions import FIRST, SECOND, set_version

from reports.cli import app
from reports.cli.common.answers import answer_schema
from reports.config.config_file import load_config
from reports.trends.trends import Trends, build_trends
from zoo.cache.maintenance import prune
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="zoometer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three runs: of the first release, with nothing new, and of the second release. The first has said what it says alone."""
    folder = tmp_path_factory.mktemp("releases")
    with releases_in(folder):
        for version in (FIRST, FIRST, SECOND):
            set_version(folder, version)
            result = zoometer("refresh", "mine.yaml", "--quiet")
            assert result.exit_code == 0, result.output
            if not (folder / "alone.txt").exists():
                (folder / "alone.txt").write_text(zoometer("changes").stdout)
                assert build_trends(Store("cache"), None) is None
        yield folder


@pytest.fixture(scope="module")
def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zoometer("changes", "--config", "mine.yaml", "--format", "json").stdout)
    jsonschema.Draft202012Validator(answer_schema("changes")).validate(found)
    return found


@pytest.fixture(scope="module")
def trends(folder: Path) -> Trends:
    found = build_trends(Store("cache"), None, load_config(Path("mine.yaml")))
    assert found is not None
    return found


def test_the_first_run_says_that_it_is_alone(folder: Path) -> None:
    said = (folder / "alone.txt").read_text()
    assert "One run so far; changes appear after the next." in said
    assert f"{len(WIDTHS[FIRST])} added" in said
    assert "released/small" not in said


def test_models_that_entered_and_left_are_named_with_their_figures(record: dict[str, Any]) -> None:
    widths, top1 = WIDTHS[SECOND], TOP1[SECOND]
    moved = {(c["kind"], c["cost_column"], c["model"]): (c["accuracy"], c["cost"], c["why"]) for c in record["frontiers"]}
    beaten = f"beaten by {model('clever')} at {INPUT}: 72.00 % for "
    assert moved == {
        ("entered", "macs", model("clever")): (top1["clever"], macs(widths["clever"]), "new in the cache"),
        ("entered", "macs", model("wide")): (top1["wide"], macs(widths["wide"]), "Top-1 69.00 → 75.00 %"),
        ("left", "macs", model("large")): (
            top1["large"], macs(widths["large"]), f"{beaten}{macs(widths['clever']) / 1e9:.2f} G"
        ),
        ("entered", "params", model("clever")): (top1["clever"], params(widths["clever"]), "new in the cache"),
        ("entered", "params", model("wide")): (top1["wide"], params(widths["wide"]), "Top-1 69.00 → 75.00 %"),
        ("left", "params", model("large")): (
            top1["large"], params(widths["large"]), f"{beaten}{params(widths['clever']) / 1e6:.4f} M"
        ),
    }  # fmt: skip


def best(release: str, most: float, cost: Any) -> dict[str, Any]:
    """The pick within a limit, by hand."""
    value, arch = max((TOP1[release][arch], arch) for arch, width in WIDTHS[release].items() if cost(width) <= most)
    return {"model": model(arch), "input": INPUT, "accuracy": value}


def test_the_best_within_standing_and_configured_budgets_is_told_before_and_after(record: dict[str, Any]) -> None:
    found = {budget["budget"]: (budget["old"], budget["new"]) for budget in record["budgets"]}
    assert found == {
        "MACs ≤ 0.3 G": (best(FIRST, 0.3e9, macs), best(SECOND, 0.3e9, macs)),
        "MACs ≤ 1 G": (best(FIRST, 1e9, macs), best(SECOND, 1e9, macs)),
        "tight: Params ≤ 0.0030 M": (best(FIRST, 3000, params), best(SECOND, 3000, params)),
    }


def test_accuracies_and_costs_that_changed_are_listed(record: dict[str, Any]) -> None:
    told = {(fact["kind"], fact["model"], fact["figure"]): (fact["old"], fact["new"]) for fact in record["accuracies"]}
    assert told == {
        ("changed", model("wide"), "imagenet-1k top1"): (TOP1[FIRST]["wide"], TOP1[SECOND]["wide"]),
        ("added", model("clever"), "imagenet-1k top1"): (None, TOP1[SECOND]["clever"]),
    }
    (row,) = [row for row in record["rows"] if (row["arch"], row["figure"]) == ("small", "macs")]
    assert (row["old"], row["new"]) == (macs(WIDTHS[FIRST]["small"]), macs(WIDTHS[SECOND]["small"]))
    assert (record["speeds"], record["not_compared"]) == ([], None)


def test_text_names_the_frontier_the_budget_and_the_accuracy(folder: Path) -> None:
    said = zoometer("changes").stdout
    assert "Frontiers  4 entered, 2 left" in said
    (line,) = [line for line in said.splitlines() if line.startswith("classification: MACs ≤ 1 G")]
    assert "70.00 %" in line
    assert f"{model('clever')} at {INPUT}" in line
    assert "Published accuracies  1 added, 1 changed" in said


def test_csv_has_one_row_for_everything(folder: Path, record: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(zoometer("changes", "--config", "mine.yaml", "--format", "csv").stdout)))
    counts = {about: sum(row["about"] == about for row in rows) for about in ("cost", "accuracy", "frontier", "budget")}
    moved = [budget for budget in record["budgets"] if budget["old"] != budget["new"]]
    assert counts == {"cost": len(record["rows"]), "accuracy": 2, "frontier": 6, "budget": len(moved)}
    (row,) = [row for row in rows if (row["about"], row["kind"]) == ("accuracy", "changed")]
    assert (float(row["old"]), float(row["new"])) == (TOP1[FIRST]["wide"], TOP1[SECOND]["wide"])


def test_since_a_date_or_a_run(folder: Path) -> None:
    first, second, third = Store("cache").runs()

    def compared(*arguments: str) -> tuple[str | None, str]:
        found = json.loads(zoometer("changes", *arguments, "--format", "json").stdout)
        return found["before"] and found["before"]["run"], found["after"]["run"]

    assert compared() == (second.run, third.run)
    assert compared("--since", first.run) == (first.run, third.run)
    assert compared("--since", third.started_at.isoformat()) == (second.run, third.run)
    assert compared("--since", second.started_at.isoformat()) == (first.run, third.run)
    assert compared("--since", "2020-01-01") == (first.run, third.run)
    late = zoometer("changes", "--since", f"{third.started_at + timedelta(days=2):%Y-%m-%d}")
    assert (late.exit_code, "Name an earlier date" in late.stderr) == (2, True)
    assert zoometer("changes", first.run, "--since", second.run).exit_code == 2


def test_runs_that_left_the_same_share_a_state(trends: Trends) -> None:
    runs = Store("cache").runs()
    assert [(run.run, state) for run, state in trends.points] == [(runs[0].run, 0), (runs[1].run, 0), (runs[2].run, 1)]
    assert [(release.versions, release.state) for release in trends.releases] == [
        (f"released {FIRST}", 0),
        (f"released {SECOND}", 1),
    ]
    (step,) = trends.steps
    assert (step.before.run, step.run.run) == (runs[1].run, runs[2].run)


def test_runs_that_found_the_same_accuracies_share_their_rows(folder: Path) -> None:
    store = Store("cache")
    first, second, third = store.runs()
    assert first.results == second.results != third.results
    rows = store.read("results").to_pylist()
    assert len(rows) == len(TOP1[FIRST]) + len(TOP1[SECOND])
    kept = {(row["results"], row["arch"]): row["value"] for row in rows}
    assert {arch: kept[third.results, arch] for arch in TOP1[SECOND]} == TOP1[SECOND]


def test_pruning_takes_the_accuracies_of_runs_that_go(folder: Path, tmp_path: Path) -> None:
    shutil.copytree("cache", tmp_path / "cache")
    store = Store(tmp_path / "cache")
    store.prepare()
    third = store.runs()[-1]
    prune(store, third.started_at)
    assert set(store.read("results")["results"].to_pylist()) == {third.results}
    assert build_trends(store, None) is None


def test_a_cache_without_the_table_is_read_as_far_as_its_accuracies_are_known(folder: Path, tmp_path: Path) -> None:
    shutil.copytree("cache", tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache" / "results")
    store = Store(tmp_path / "cache")
    assert build_trends(store, None) is None  # of three runs, only the last is known: accuracies were written again for it
    found = json.loads(zoometer("changes", "--cache", str(tmp_path / "cache"), "--format", "json").stdout)
    assert (found["frontiers"], found["accuracies"]) == ([], [])
    assert found["not_compared"].startswith("The cache has no accuracies of run")
    assert found["not_compared"] in zoometer("changes", "--cache", str(tmp_path / "cache")).stdout


def speed_row(latency_ms: float, minutes_before: float, end: datetime, **more: Any) -> dict[str, Any]:
    moment = end - timedelta(minutes=minutes_before)
    key = {
        "zoo": "released",
        "arch": "small",
        "input": INPUT,
        "variant": "base",
        "device": "a-board",
        "runtime": "torch-2.9",
        "dtype": "float32",
    }
    how = {"layout": "nchw", "compiled": False, "threads": 2, "batch": 1, "status": "measured", "latency_ms": latency_ms}
    return key | how | {"measured_at": moment, "added_at": moment} | more


def test_speeds_that_were_measured_between_two_runs_are_listed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree("cache", tmp_path / "cache")
    store = Store(tmp_path / "cache")
    store.prepare()
    second, third = store.runs()[1:]
    between = (third.ended_at - second.ended_at) / 2
    minutes = between.total_seconds() / 60
    rows = [
        speed_row(5.0, minutes + 1000, third.ended_at),
        speed_row(6.5, minutes, third.ended_at),
        speed_row(7.0, minutes, third.ended_at, dtype="float16"),
        speed_row(9.0, minutes, third.ended_at, dtype="int8", status="failed"),
        speed_row(8.0, minutes + 1000, third.ended_at, batch=4),
        speed_row(1.0, -1000, third.ended_at, batch=8),  # after the last run
    ]
    store.append("speed", table_of("speed", rows))
    found = json.loads(zoometer("changes", "--cache", str(tmp_path / "cache"), "--format", "json").stdout)
    told = {(fact["kind"], fact["figure"]): (fact["old"], fact["new"]) for fact in found["speeds"]}
    way = "latency_ms on a-board, torch-2.9, {}, nchw, eager, 2 threads, batch 1"
    assert told == {("changed", way.format("float32")): (5.0, 6.5), ("added", way.format("float16")): (None, 7.0)}
    assert "Measured speeds  1 added, 1 changed" in zoometer("changes", "--cache", str(tmp_path / "cache")).stdout


def test_rows_of_a_stranger_that_make_no_sense_are_left_out(folder: Path, record: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree("cache", tmp_path / "cache")
    store = Store(tmp_path / "cache")
    store.prepare()
    third = store.runs()[-1]
    row = {**store.read("results").to_pylist()[0], "results": third.results}
    senseless: list[dict[str, Any]] = [
        {"input": None},
        {"arch": None},
        {"value": None},
        {"value": math.inf, "tag": "a"},
        {"value": math.nan, "tag": "b"},
    ]
    store.append("results", table_of("results", [row | change for change in senseless]))
    store.append("speed", table_of("speed", [speed_row(5.0, 0, third.ended_at, input=None)]))
    found = json.loads(zoometer("changes", "--cache", str(tmp_path / "cache"), "--format", "json").stdout)
    assert (found["accuracies"], found["speeds"], found["frontiers"]) == (record["accuracies"], [], record["frontiers"])
