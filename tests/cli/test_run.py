"""`zoometer run` and `zoometer report`, with a counter and renderers that only write down what they were asked."""

from __future__ import annotations

import dataclasses
import errno
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reports import cli
from reports.api import rendering as render
from reports.config import config, zoo_section
from reports.leaderboard import configured_report
from reports.leaderboard.report import Report
from zoo.jobs import RunSummary
from zoo.records import CostKey, Status
from zoo.settings import Listener, RefreshOptions, RefreshSettings

CONFIG = """
zoos: {timm: {include: ["resnet*"]}}
execution: {workers: 1}
reports:
- {name: all, title: Everything, formats: [html, xlsx]}
- {name: page, title: Page, formats: [html]}
"""


class Product:
    """Stands for counting and rendering: `asked` holds what was wanted of it, the rest is what it answers."""

    def __init__(self, report: Report) -> None:
        self.report, self.summary = report, RunSummary("r1", planned=3, counted=2, failed=1, failing=1, seconds=1.0)
        self.asked: list[tuple[Any, ...]] = []
        self.error: BaseException | None = None

    def refresh(self, settings: RefreshSettings, listener: Listener, request: RefreshOptions) -> RunSummary:
        self.asked.append(("refresh", settings.execution.workers))
        listener.planned(3, 3)
        listener.counted(CostKey("timm", "resnet18", "3x224x224", 1000), Status.EXACT, None)
        return self.summary

    def build_report(self, *_: Any, title: str, **__: Any) -> Report:
        self.asked.append(("build", title))
        return self.report

    def write(self, report: Report, path: Path) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append((str(path), report.title, report.command))
        path.write_text(report.title)


@pytest.fixture
def product(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """The stand-in, in a folder of its own with a configuration `c.yaml`."""
    fake = Product(report)
    refresh, renderer = ModuleType("zoo.refresh.refresh"), ModuleType("renderer")
    refresh.refresh, renderer.write = fake.refresh, fake.write  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zoo.refresh.refresh", refresh)
    monkeypatch.setitem(sys.modules, "renderer", renderer)
    monkeypatch.setattr(render, "WRITERS", dict.fromkeys(config.FORMATS, "renderer"))
    monkeypatch.setattr(configured_report, "build_leaderboard_report", fake.build_report)
    monkeypatch.setattr(zoo_section, "installed_zoos", lambda: ["timm"])
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)
    return fake


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer")


def succeed(product: Product) -> None:
    product.report = dataclasses.replace(product.report, totals=dataclasses.replace(product.report.totals, failed=0))


def test_formats_and_writers_are_the_same_set() -> None:
    assert set(render.WRITERS) == set(config.FORMATS)


def test_run_counts_then_builds_once_and_writes_every_report(product: Product) -> None:
    result = zoometer("run", "c.yaml")
    command = "zoometer run c.yaml"
    assert product.asked == [
        ("refresh", 1),
        ("build", "Everything"),
        ("out/all.html", "Everything", command),
        ("out/all.xlsx", "Everything", command),
        ("out/page.html", "Page", command),
    ]
    assert "out/page.html" in result.stdout
    assert "timm/small.in1k" in result.stdout
    assert "3 rows planned, 0 in the cache, 3 to count" in result.stderr


def test_failed_models_give_their_own_exit_code(product: Product) -> None:
    assert zoometer("run", "c.yaml").exit_code == 3
    succeed(product)
    assert zoometer("run", "c.yaml").exit_code == 0


def test_workers_of_the_command_line_win(product: Product) -> None:
    zoometer("run", "c.yaml", "--workers", "7")
    assert product.asked[0] == ("refresh", 7)


def test_quiet_says_nothing(product: Product) -> None:
    succeed(product)
    result = zoometer("run", "c.yaml", "--quiet")
    assert (result.output, result.exit_code) == ("", 0)


@pytest.mark.parametrize("more", [(), ("--quiet",)])
def test_json_is_all_of_stdout(product: Product, more: tuple[str, ...]) -> None:
    result = zoometer("run", "c.yaml", "--format", "json", *more)
    record = json.loads(result.stdout)
    assert record["exit_code"] == result.exit_code == 3
    assert record["planned"] == 3
    assert [file["path"] for file in record["files"]] == ["out/all.html", "out/all.xlsx", "out/page.html"]


def test_an_interrupted_run_renders_nothing(product: Product) -> None:
    product.summary.interrupted = True
    result = zoometer("run", "c.yaml")
    assert result.exit_code == 130
    assert "Interrupted after" in result.stdout
    assert not list(Path("out").iterdir())


def test_a_configuration_without_reports_only_counts(product: Product) -> None:
    Path("c.yaml").write_text("zoos: {timm: }\nreports: []")
    result = zoometer("run", "c.yaml")
    assert [step[0] for step in product.asked] == ["refresh"]
    assert result.exit_code == 3  # by the summary of the run, which failed at one
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_written_is_found_before_counting(product: Product) -> None:
    Path("out").write_text("a file")
    result = zoometer("run", "c.yaml")
    assert result.exit_code == 2
    assert "error: The folder 'out' cannot be written to:" in result.stderr
    assert product.asked == []


def test_a_report_that_cannot_be_written_names_the_way_on(product: Product) -> None:
    product.error = OSError(errno.ENOSPC, "No space left on device")
    result = zoometer("run", "c.yaml")
    assert result.exit_code == 2
    assert (
        "No space is left on the disk. Free some space and run the same command again; what was counted is kept." in result.stderr
    )


def test_report_renders_without_counting(product: Product) -> None:
    result = zoometer("report", "c.yaml")
    assert result.exit_code == 0
    assert [step[0] for step in product.asked] == ["build", "out/all.html", "out/all.xlsx", "out/page.html"]
    assert "planned" not in result.stdout


@pytest.mark.parametrize("formats", [("--format", "xlsx"), ("--format", "xlsx,xlsx")])
def test_report_takes_other_formats(product: Product, formats: tuple[str, ...]) -> None:
    zoometer("report", "c.yaml", *formats)
    assert [step[0] for step in product.asked] == ["build", "out/all.xlsx", "out/page.xlsx"]


def test_report_refuses_an_unknown_format(product: Product) -> None:
    result = zoometer("report", "c.yaml", "--format", "html,pdf")
    assert result.exit_code == 2
    assert "error: 'pdf' is not a report format. Known: csv, html, json, md, parquet, xlsx." in result.stderr


def test_report_needs_a_report(product: Product) -> None:
    Path("c.yaml").write_text("zoos: {timm: }\nreports: []")
    assert "The configuration asks for no report." in zoometer("report", "c.yaml").stderr


def test_report_is_quiet_when_asked(product: Product) -> None:
    assert zoometer("report", "c.yaml", "--quiet").output == ""


def test_a_wrong_configuration_is_one_sentence(product: Product) -> None:
    Path("c.yaml").write_text("zoos: {timm: }\ncach: x")
    result = zoometer("run", "c.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: c.yaml, line 2: cach is not a known key. Did you mean cache or batch?\n",
    )
