"""What several tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import settings
from paths import REPOSITORY

from reports.columns.column import Column, ColumnKind
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, UNMATCHED
from reports.leaderboard.report import Report, ReportTotals

if TYPE_CHECKING:
    from fakes_default_run import DefaultRun
    from fakes_excel import Convert
    from fakes_html_browser import Visit, Visitor

# A shared machine may be slow for a moment; that is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

_DTYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
    ColumnKind.INTEGER: "Int64",
    ColumnKind.NUMBER: "Float64",
    ColumnKind.FLAG: "boolean",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long is slow as well, so that `-m 'not slow'` leaves it out."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout the tests stand in."""
    return REPOSITORY


@pytest.fixture(scope="session")
def require_program() -> Callable[..., str]:
    """Path of the first of some programs that is installed; without one the test is skipped, or fails where programs are required.

    `.ci/run` sets ZOOMETER_REQUIRE_PROGRAMS=1, so that it can never pass by leaving the browser tests out.
    """
    required = os.environ.get("ZOOMETER_REQUIRE_PROGRAMS") == "1" or os.environ.get("CI") == "true"

    def find(*names: str) -> str:
        for name in names:
            if path := shutil.which(name):
                return path
        missing = f"none of these programs is installed: {', '.join(names)}"
        if required:
            pytest.fail(missing)
        pytest.skip(missing)

    return find


@pytest.fixture(scope="session")
def default_run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> DefaultRun:
    """The default configuration, run once for all tests, also where several processes share them."""
    from fakes_default_run import run_default_once

    own = tmp_path_factory.getbasetemp()
    return run_default_once(repository, own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own)


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures for people go: ZOOMETER_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("ZOOMETER_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def visitor(require_program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Chromium for the tests of one module."""
    from fakes_html_browser import CHROMIUM_NAMES, Visitor, started_browser

    with started_browser(require_program(*CHROMIUM_NAMES)) as browser:
        yield Visitor(browser, tmp_path_factory.mktemp("pages"))


@pytest.fixture
def visit(visitor: Visitor, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """Opens pages as a reader does, that of the module's `REPORT` unless told; each must have behaved to the end."""
    with visitor.visiting(request.module.REPORT) as visit:
        yield visit


def make_table(columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table with exactly these columns and their types; what a row leaves out is unknown."""
    table = pd.DataFrame(
        [[row.get(column.key) for column in columns] for row in rows], columns=[column.key for column in columns]
    )
    return table.astype({column.key: _DTYPES[column.kind] for column in columns})


@pytest.fixture
def report() -> Report:
    """Three models: two on the frontier, one beaten, and one of them without a count."""
    rows: list[dict[str, Any]] = [
        {"model": "timm/small.in1k", "input": "3x224x224", "imagenet_top1": 70.0, "macs": 350_000_000, "params": 2_000_000},
        {"model": "timm/large.in1k", "input": "3x384x384", "imagenet_top1": 85.0, "macs": 17_000_000_000, "params": 90_000_000},
        {"model": "timm/beaten.in1k", "input": "3x224x224", "imagenet_top1": 65.0, "macs": 500_000_000, "params": 3_000_000},
        {"model": "timm/broken.in1k", "input": "3x224x224", "imagenet_top1": 99.0},
    ]
    for row, on_frontier in zip(rows, (True, True, False, None), strict=True):
        row |= {"zoo": "timm", "status": "failed" if on_frontier is None else "exact", "on_frontier": on_frontier}
    failed = {"zoo": "timm", "arch": "broken", "input": "3x224x224", "status": "failed", "reason": "run: ValueError: odd size"}
    return Report(
        title="Test",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        convention="matmul",
        versions={"timm": "1.0.31"},
        totals=ReportTotals(architectures=4, weights=4, rows=4, exact=3, bound=0, failed=1),
        leaderboard=make_table(LEADERBOARD, rows),
        coverage=make_table(COVERAGE, [failed]),
        unmatched=make_table(UNMATCHED, []),
        warnings=("timm's accuracy is missing: give a path as accuracy.timm.results.",),
    )


@pytest.fixture(scope="session")
def convert(require_program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Convert:
    """LibreOffice with a profile of its own, so that it neither waits for nor disturbs one that is open."""
    program = require_program("soffice", "libreoffice")
    profile = tmp_path_factory.mktemp("profile").as_uri()

    def run(target: str, folder: Path, paths: list[Path]) -> None:
        command = [program, f"-env:UserInstallation={profile}", "--headless", "--convert-to", target, "--outdir", str(folder)]
        finished = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, timeout=300, check=False)
        assert finished.returncode == 0, finished.stderr
        assert "Error" not in finished.stderr

    return run
