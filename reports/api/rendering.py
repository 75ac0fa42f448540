"""From cached facts to report files: what `run` and `report` do."""

from __future__ import annotations

import dataclasses
import importlib
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.config.config_file import config_name
from reports.terminal.run_summary import CommandOutcome
from zoo.errors import ConfigError, OutputError, did_you_mean
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from reports.config.config import Config, ReportSection
    from reports.leaderboard.report import Report
    from zoo.jobs import RunSummary

WRITERS = {"html": "reports.html", "xlsx": "reports.excel", **dict.fromkeys(("csv", "json", "md", "parquet"), "reports.exports")}
"""The module whose `write(report, path)` makes each format."""


def choose_formats(config: Config, formats: Sequence[str]) -> list[ReportSection]:
    """The configured reports, narrowed to these formats; without any, as they are.

    Raises:
        ConfigError: if a format does not exist, or no report is configured.
    """
    names = list(dict.fromkeys(name.strip() for text in formats for name in text.split(",") if name.strip()))
    for name in names:
        if name not in WRITERS:
            raise ConfigError(f"'{name}' is not a report format.{did_you_mean(name, WRITERS)}")
    if not config.reports:
        raise ConfigError("The configuration asks for no report. Add one, or leave `reports` out to have the default one.")
    return [section.model_copy(update={"formats": names or section.formats}) for section in config.reports]


def prepare(config: Config) -> None:
    """See to it that nobody counts for minutes and then has no report: read what it needs, make its folder and write in it.

    Raises:
        OutputError: if the folder cannot be made or written to.
        ZooError: if something that the configuration names cannot be read.
    """
    if config.budgets or config.audit:
        from reports.leaderboard.configured_report import check_inputs

        check_inputs(config)
    folder = Path(config.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".zoometer-"):
            pass
    except OSError as error:
        raise OutputError(f"The folder '{folder}' cannot be written to: {error.strerror}. Set another one as `out`.") from error


def render(
    config: Config, sections: Sequence[ReportSection], command: str, *, name: str | None = None, may_count: bool = False
) -> tuple[Report, tuple[Path, ...]]:
    """Build the report from the cache once, and write it under each configured name, title and format.

    Args:
        config: the configuration.
        sections: what to write.
        command: that makes the report again.
        name: the one that runs of this configuration are recorded under.
        may_count: whether audits may count what the cache lacks.
    """
    from reports.leaderboard.configured_report import build_configured_report

    report = build_configured_report(config, title=sections[0].title, name=name, may_count=may_count)
    trends = _write_trends(config, sections, report, name)
    report = dataclasses.replace(report, command=command, trends_file=trends.name if trends else "")
    files = [trends] if trends else []
    for section in sections:
        titled = dataclasses.replace(report, title=section.title)
        files += [write_report(titled, Path(config.out) / f"{section.name}.{form}", form) for form in section.formats]
    return report, tuple(files)


def _write_trends(config: Config, sections: Sequence[ReportSection], report: Report, name: str | None) -> Path | None:
    """Write the page of trends beside the first leaderboard page, as soon as two runs can be compared."""
    boards = [section for section in sections if "html" in section.formats]
    if not boards:
        return None
    from reports.config.config import trends_name
    from reports.html.trends.page import write_trends
    from reports.trends.trends import build_trends
    from zoo.cache.store import Store

    trends = build_trends(Store(config.cache), name, config, report.budgets)
    if trends is None:
        return None
    board, path = boards[0], Path(config.out) / f"{trends_name(boards[0].name)}.html"
    write_trends(trends, path, title=board.title, created_at=report.created_at, leaderboard=f"{board.name}.html")
    return path


def count_and_render(config: Config, path: str | Path, count: Callable[[RefreshOptions], RunSummary]) -> CommandOutcome:
    """What `zoometer run` does.

    Args:
        config: the configuration.
        path: of its file.
        count: refreshes the cache.
    """
    started = time.perf_counter()
    if config.reports:
        prepare(config)
    summary = count(RefreshOptions(config_name(path)))
    if summary.interrupted or not config.reports:
        return CommandOutcome(config.cache, summary, time.perf_counter() - started)
    command = shlex.join(["zoometer", "run", str(path)])
    report, files = render(config, config.reports, command, name=config_name(path), may_count=True)
    return CommandOutcome(config.cache, summary, time.perf_counter() - started, report, files, report.warnings)


def render_again(config: Config, path: str | Path, formats: Sequence[str]) -> CommandOutcome:
    """What `zoometer report` does: the reports from what the cache holds."""
    sections = choose_formats(config, formats)
    prepare(config)
    report, files = render(config, sections, shlex.join(["zoometer", "report", str(path)]), name=config_name(path))
    return CommandOutcome(config.cache, report=report, files=files, warnings=report.warnings)


def write_report(report: Report, path: Path, form: str) -> Path:
    """Write a report in one format.

    Raises:
        OutputError: if the file cannot be written.
    """
    importlib.import_module(WRITERS[form]).write(report, path)
    return path
