"""A configuration's whole report from a cache: answers to its budgets, what the last run changed, its audits."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes_cache import NOON, Cache

from reports.config.config_file import load_config
from reports.leaderboard.configured_report import build_configured_report, check_inputs
from reports.leaderboard.report import Report
from zoo.errors import AuditError, ConfigError, ZooError


def configured(folder: Path, extra: str = "", cache: Cache | None = None) -> Any:
    path = folder / "c.yaml"
    path.write_text(f"cache: {cache.store.address if cache else folder}\nzoos: {{timm: }}\n{extra}")
    return load_config(path)


def build(cache: Cache, folder: Path, extra: str = "") -> Report:
    cache.report(inputs=("native",))  # writes what was added
    return build_configured_report(configured(folder, extra, cache), title="T", name="c.yaml")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "cache")
    made.model("small", 1_000_000, 70.0)
    made.model("large", 4_000_000, 80.0)
    return made


def add_run(cache: Cache, name: str, minute: int, **more: Any) -> None:
    row = {
        "run": name,
        "status": "done",
        "started_at": NOON + timedelta(minutes=minute),
        "finished_at": NOON + timedelta(minutes=minute, seconds=30),
    }
    cache.add("runs", **{**row, "config": "c.yaml", **more})


def test_each_budget_is_answered_from_the_leaderboard(cache: Cache, tmp_path: Path) -> None:
    report = build(cache, tmp_path, "budgets: {tight: {macs: 2M}, none: {macs: 1k}, rtx: {device: rtx-3090}}")
    tight, none, rtx = report.budgets
    assert [answer.name for answer in report.budgets] == ["tight", "none", "rtx"]
    assert tight.selection.pick is not None
    assert tight.selection.table["model"].iloc[tight.selection.pick] == "timm/small.in1k"
    assert [tight.selection.table["model"].iloc[row] for row in tight.selection.misses] == ["timm/large.in1k"]
    assert len(tight.limits) == 1
    assert none.selection.pick is None
    assert "Nothing fits" in none.reasons[0]
    assert any("Memory of the device" in words for words in rtx.limits)


def test_changes_are_those_of_the_last_run_of_the_configuration(cache: Cache, tmp_path: Path) -> None:
    add_run(cache, "first", 3)
    cache.cost("small", 1_500_000, run="second", counted_at=NOON + timedelta(minutes=5))
    add_run(cache, "second", 4, finished_at=NOON + timedelta(minutes=6))
    add_run(cache, "another", 9, config="other.yaml")
    changes = build(cache, tmp_path).changes
    assert changes is not None
    assert "first" in changes.heading
    assert "second" in changes.heading
    (row,) = changes.rows.to_dict("records")
    assert (row["kind"], row["arch"], row["figure"], row["old"], row["new"], row["change"]) == (
        "changed",
        "small",
        "macs",
        10**6,
        1_500_000,
        50.0,
    )
    assert changes.counts == {"changed": 1, "unchanged": 1}


def test_without_an_earlier_run_there_are_no_changes(cache: Cache, tmp_path: Path) -> None:
    assert build(cache, tmp_path).changes is None
    add_run(cache, "first", 3)
    assert build(cache, tmp_path).changes is None


def test_a_report_counts_nothing_for_an_audit(cache: Cache, tmp_path: Path) -> None:
    cache.arch("uncounted")
    table = tmp_path / "table.csv"
    table.write_text("Name,GFLOPs\nuncounted,0.001\nno_such_net,0.5\n")
    report = build(cache, tmp_path, f"audit: [{{zoo: timm, against: {table}, columns: [model=Name, macs=GFLOPs:G]}}]")
    (audit,) = report.audits
    assert (audit.title, audit.zoo) == ("table.csv", "timm")
    assert audit.rows["model"].tolist() == ["uncounted", "no_such_net"]
    assert audit.rows["published_macs"].tolist() == [0.001e9, 0.5e9]
    assert audit.verdicts == {"unknown": 2}
    assert "not counted" in audit.rows["why"].iloc[0]
    assert len(cache.store.costs()) == 2


@pytest.mark.parametrize(
    ("extra", "error", "sentence"),
    [
        ("budgets: {phone: {device: no-such-device}}", ZooError, "no-such-device"),
        ("audit: [{zoo: timm, against: missing.csv}]", AuditError, "missing.csv"),
        ("audit: [{zoo: timm}]", AuditError, "publishes no costs"),
    ],
)
def test_what_a_report_needs_is_read_before_anything_is_counted(
    tmp_path: Path, extra: str, error: type[ZooError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        check_inputs(configured(tmp_path, extra))


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("audit: [{zoo: tim}]", "Did you mean timm?"),
        ("audit: [{zoo: timm, agianst: x.csv}]", "audit[0].agianst is not a known key. Did you mean against?"),
        ("audit: [{zoo: timm, columns: [mac=GFLOPs]}]", "Did you mean macs?"),
        ("audit: [{against: x.csv}]", "audit[0].zoo is missing"),
    ],
)
def test_a_mistake_in_an_audit_is_explained(tmp_path: Path, extra: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        configured(tmp_path, extra)
