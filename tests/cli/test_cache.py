"""`zoometer refresh`, `changes` and `cache`: options, exit codes, and what is printed."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from cache_history import NEW, History, failed
from cache_rows import BIG, cost, parts
from fakes_damage import truncate
from typer.testing import CliRunner, Result

from reports import cli
from reports.cli.common.parsing import parse_age
from reports.config import zoo_section
from zoo.cache.storage.locks import locked
from zoo.errors import BusyError, CacheError, UnitError
from zoo.jobs import RunSummary
from zoo.settings import Listener, RefreshOptions, RefreshSettings


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer")


class Refresher:
    """Stands for the refresh: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.summary = RunSummary("r1", planned=5, counted=3, versions="timm 1.0")
        self.error: BaseException | None = None
        self.request = RefreshOptions()
        self.settings = RefreshSettings("")

    def refresh(self, settings: RefreshSettings, listener: Listener, request: RefreshOptions) -> RunSummary:
        self.request, self.settings = request, settings
        if self.error:
            raise self.error
        listener.planned(5, 3)
        return self.summary


@pytest.fixture
def refresher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refresher:
    fake, module = Refresher(), ModuleType("zoo.refresh.refresh")
    module.refresh = fake.refresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zoo.refresh.refresh", module)
    monkeypatch.setattr(zoo_section, "installed_zoos", lambda: ["timm"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("zoos: {timm: }\n")
    return fake


def test_every_option_of_refresh_reaches_it(refresher: Refresher) -> None:
    options = ["--rebuild", "--only", "resnet*", "--only", "timm/vit*", "--max-age", "30d", "--no-wait", "--workers", "3"]
    assert zoometer("refresh", "./c.yaml", *options).exit_code == 0
    assert refresher.request == RefreshOptions("c.yaml", True, ("resnet*", "timm/vit*"), timedelta(days=30), wait=False)
    assert refresher.settings.execution.workers == 3
    zoometer("refresh", "c.yaml")
    assert refresher.request == RefreshOptions("c.yaml")


@pytest.mark.parametrize(
    ("figures", "options", "code"),
    [
        ({}, [], 0),
        ({"failing": 1}, [], 3),
        ({"changed": 1, "added": 1, "removed": 1, "recovered": 1}, [], 0),
        ({"changed": 1, "failing": 1}, ["--fail-on", "changed"], 4),
        ({"broken": 1, "failing": 1}, ["--fail-on", "changed,failed"], 4),
        ({"failing": 1}, ["--fail-on", "changed,failed"], 3),
        ({"removed": 1}, ["--fail-on", "changed"], 0),
        ({"removed": 1}, ["--fail-on", "removed"], 4),
        ({"interrupted": True, "changed": 1}, ["--fail-on", "changed"], 130),
    ],
)
def test_exit_codes_of_refresh(refresher: Refresher, figures: dict[str, Any], options: list[str], code: int) -> None:
    for name, value in figures.items():
        setattr(refresher.summary, name, value)
    assert zoometer("refresh", "c.yaml", *options).exit_code == code


@pytest.mark.parametrize(("error", "code"), [(BusyError("busy"), 75), (CacheError("full"), 2)])
def test_errors_of_refresh_have_their_codes(refresher: Refresher, error: BaseException, code: int) -> None:
    refresher.error = error
    result = zoometer("refresh", "c.yaml")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (code, f"error: {error}")


def test_a_kind_of_change_that_does_not_exist_is_found_before_counting(refresher: Refresher) -> None:
    refresher.error = AssertionError("counted")
    result = zoometer("refresh", "c.yaml", "--fail-on", "chnged")
    assert (result.exit_code, result.stderr) == (2, "error: --fail-on knows no 'chnged'. Did you mean changed?\n")


def test_refresh_says_what_changed(refresher: Refresher) -> None:
    refresher.summary.changed, refresher.summary.broken = 1234, 2
    said = zoometer("refresh", "c.yaml").stdout
    assert "Against the run before: 1,234 changed, 2 failed. See them with: zoometer changes" in said
    refresher.summary.changed = refresher.summary.broken = 0
    assert "nothing changed." in zoometer("refresh", "c.yaml").stdout
    assert zoometer("refresh", "c.yaml", "--quiet").output == ""
    record = json.loads(zoometer("refresh", "c.yaml", "--format", "json", "--quiet").stdout)
    assert (record["planned"], record["reused"], record["exit_code"]) == (5, 2, 0)


def test_help_documents_the_exit_codes() -> None:
    for arguments in (["refresh", "--help"], ["--help"]):
        said = zoometer(*arguments).stdout
        for code in (" 0 ", " 2 ", " 3 ", " 4 ", " 75 "):
            assert code in said


@pytest.mark.parametrize(
    ("text", "age"),
    [("90m", timedelta(minutes=90)), ("12h", timedelta(hours=12)), (" 30 d", timedelta(days=30)), ("8w", timedelta(weeks=8))],
)
def test_ages_are_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1.5d", "1y", ""])
def test_ages_that_are_none_are_errors(text: str) -> None:
    with pytest.raises(UnitError, match=r"is no age\. Write a whole number with a unit: 90m, 12h, 30d or 8w"):
        parse_age(text)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Three runs in the folder `cache`: a figure changed in the second, and one failed in the third."""
    monkeypatch.chdir(tmp_path)
    history = History(tmp_path / "cache")
    history.run("aaa", ["a", "b"], [cost("a", macs=BIG), cost("b", macs=1)])
    history.run("bbb", ["a", "b"], [cost("a", macs=BIG + 1, **NEW)])
    history.run("ccc", ["a", "b"], [failed("b")])
    return history


@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        ([], "1 failed, 1 unchanged"),
        (["bbb"], "1 changed, 1 unchanged"),
        (["aaa", "ccc"], "1 changed, 1 failed"),
        (["a", "latest"], "1 changed, 1 failed"),
    ],
)
def test_changes_of_the_last_of_one_or_between_two_runs(history: History, arguments: list[str], counts: str) -> None:
    result = zoometer("changes", *arguments)
    assert result.exit_code == 0
    assert counts in result.stdout


def test_changes_in_other_formats_and_with_an_alarm(history: History) -> None:
    record = json.loads(zoometer("changes", "bbb", "--format", "json").stdout)
    assert [(row["old"], row["new"]) for row in record["rows"]] == [(BIG, BIG + 1)]
    assert f"{BIG + 1:,} |" in zoometer("changes", "bbb", "--format", "md").stdout
    assert zoometer("changes", "bbb", "--fail-on", "changed").exit_code == 4
    assert zoometer("changes", "bbb", "--fail-on", "failed,removed").exit_code == 0


def test_changes_of_what_does_not_exist_is_one_sentence(history: History) -> None:
    assert "error: There is no run 'zzz'" in zoometer("changes", "zzz").stderr
    assert "error: There is no cache 'nowhere'. Name one with --cache" in zoometer("changes", "--cache", "nowhere").stderr
    assert zoometer("changes", "a", "b", "c").exit_code == 2


def test_info_shows_tables_and_runs(history: History) -> None:
    said = zoometer("cache", "info").stdout
    assert "2 costs in force, counted from 2026-01-02 to 2026-01-02" in said
    assert "ccc" in said
    record = json.loads(zoometer("cache", "info", "--format", "json").stdout)
    assert {table["table"]: table["rows"] for table in record["tables"]}["costs"] == 4
    assert [run["run"] for run in record["runs"]] == ["aaa", "bbb", "ccc"]


def test_the_cache_of_a_configuration_is_found(history: History, tmp_path: Path) -> None:
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    (tmp_path / "c.yaml").write_text("cache: elsewhere\nzoos: {timm: }\n")
    assert "2 costs in force" in zoometer("cache", "info", "--config", "c.yaml").stdout


def test_verify_ends_with_an_error_where_something_is_damaged(history: History) -> None:
    result = zoometer("cache", "verify")
    assert (result.exit_code, result.stdout) == (0, "Every file is as it was written.\n")
    bad = truncate(parts(history.store)[0])
    result = zoometer("cache", "verify")
    assert result.exit_code == 2
    assert f"harmful: {bad.relative_to(Path.cwd())}" in result.stdout.replace(f"{Path.cwd()}/", "")
    assert bad.exists()


def test_compact_and_prune_tell_what_they_did(history: History) -> None:
    assert len(parts(history.store)) == 3
    assert zoometer("cache", "compact").exit_code == 0
    assert len(parts(history.store)) == 1
    assert zoometer("cache", "prune", "--keep-runs", "1", "--dry-run").exit_code == 0
    assert len(history.store.runs()) == 3
    assert zoometer("cache", "prune", "--keep-runs", "1").exit_code == 0
    assert [run.run for run in history.store.runs()] == ["ccc"]
    assert "There are no more than 9 runs; all stays." in zoometer("cache", "prune", "--keep-runs", "9").stderr


@pytest.mark.parametrize("options", [[], ["--keep-runs", "1", "--older-than", "1d"]])
def test_prune_wants_one_limit(history: History, options: list[str]) -> None:
    result = zoometer("cache", "prune", *options)
    assert (result.exit_code, "either --older-than AGE or --keep-runs N" in result.stderr) == (2, True)


def test_compact_does_not_wait_where_it_shall_not(history: History) -> None:
    with locked(history.store.files, "maintenance", what="test"):
        result = zoometer("cache", "compact", "--no-wait")
    assert result.exit_code == 75
    assert "Another process compacts or prunes this cache already." in result.stderr


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_costs_are_exported_as_they_are_in_force(history: History, form: str) -> None:
    assert zoometer("cache", "export", "costs", "-o", f"now.{form}").exit_code == 0
    assert zoometer("cache", "export", "costs", "-o", f"then.{form}", "--as-of", "aaa").exit_code == 0
    assert zoometer("cache", "export", "costs", "-o", f"all.{form}", "--history").exit_code == 0
    found = {name: read(Path(f"{name}.{form}")) for name in ("now", "then", "all")}
    assert found == {"now": [BIG + 1, None], "then": [BIG, 1], "all": [BIG, 1, BIG + 1, None]}


def read(path: Path) -> list[int | None]:
    """The column `macs`, exact."""
    if path.suffix == ".json":
        return [row["macs"] for row in json.loads(path.read_text())]
    frame = (
        pd.read_csv(path, dtype={"macs": "Int64"})
        if path.suffix == ".csv"
        else pd.read_parquet(path, dtype_backend="numpy_nullable")
    )
    return [None if pd.isna(value) else int(value) for value in frame["macs"]]


def test_export_names_what_it_does_not_know(history: History) -> None:
    assert "The cache has no table 'cost'. Did you mean costs" in zoometer("cache", "export", "cost", "-o", "x.csv").stderr
    assert "'x.txt' does not say what to write" in zoometer("cache", "export", "costs", "-o", "x.txt").stderr
