"""The workbook in a real spreadsheet program: it opens, prints, and its formulas say what Python computed."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from fakes_excel import hostile_report, make_report
from openpyxl.worksheet.worksheet import Worksheet

from reports import excel
from reports.excel import budget, budgets_sheet
from reports.excel.board import Board, make_boards

# LibreOffice writes extensions, which openpyxl announces that it does not read.
pytestmark = [pytest.mark.office, pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")]

LIMITS = {"params": 6_500_000.0, "macs": 1_500_000_000.0, "peak_activation_bytes": 20_000_000.0, "imagenet_top1": 65.0}
"""Another budget than the one the workbook starts with."""
_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"  # comma, quote, UTF-8, every sheet

Convert = Callable[[str, Path, list[Path]], None]


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def board() -> Board:
    return make_boards(make_report(150).leaderboard, set())[0]


@pytest.fixture(scope="module")
def recalculated(convert: Convert, tmp_path_factory: pytest.TempPathFactory) -> dict[str, openpyxl.Workbook]:
    """The workbook after LibreOffice worked out every formula: with the budget it starts with, another one, and none."""
    folder = tmp_path_factory.mktemp("office")
    written = folder / "leaderboard.xlsx"
    excel.write(make_report(150), written)
    budgets = {"example": budget.EXAMPLE, "other": LIMITS, "none": {}}
    for name, limits in budgets.items():
        book = openpyxl.load_workbook(written)
        _type_limits(book["Budgets"], limits)
        book.save(
            folder / f"{name}.xlsx"
        )  # openpyxl saves formulas without their values: nothing of ours is left to be read back
    convert("xlsx", folder / "out", [folder / f"{name}.xlsx" for name in budgets])
    return {name: openpyxl.load_workbook(folder / "out" / f"{name}.xlsx", data_only=True) for name in budgets}


def _type_limits(page: Worksheet, limits: dict[str, float]) -> None:
    for row, rule in enumerate(budget.LIMITS, start=budgets_sheet.FIRST_LIMIT + 1):
        exact = limits.get(rule.column.key)
        page.cell(row, 3).value = None if exact is None else exact / rule.column.scale


@pytest.mark.parametrize(("name", "limits"), [("example", budget.EXAMPLE), ("other", LIMITS), ("none", {})])
def test_formulas_say_what_python_computed(
    recalculated: dict[str, openpyxl.Workbook], board: Board, name: str, limits: dict[str, float]
) -> None:
    rows = recalculated[name]["Leaderboard"].iter_rows(values_only=True)
    found = pd.DataFrame(rows, columns=next(rows))
    wanted = budget.evaluate(board.frame, limits, board.rules)
    assert found["Model"].tolist() == board.frame["model"].tolist()
    assert found["Budget"].tolist() == wanted["budget"].tolist()
    assert found["Binding limit"].tolist() == wanted["binding_limit"].tolist()
    assert found["Of budget"].tolist() == pytest.approx(wanted["of_budget"].tolist(), rel=1e-12, abs=1e-200)


def with_budget(board: Board, limits: dict[str, float]) -> pd.DataFrame:
    table = board.frame.copy()
    table[[column.key for column in budget.COLUMNS]] = budget.evaluate(table, limits, board.rules)
    return table


@pytest.mark.parametrize(("name", "limits"), [("example", budget.EXAMPLE), ("other", LIMITS), ("none", {})])
def test_changing_a_limit_changes_the_picks(
    recalculated: dict[str, openpyxl.Workbook], board: Board, name: str, limits: dict[str, float]
) -> None:
    table = with_budget(board, limits)
    best, near = budget.best_fitting(table, "rank", budgets_sheet.BEST), budget.just_over(table, "rank", budgets_sheet.NEAR)
    names = table.dropna(subset=["rank"]).set_index("rank")["model"]
    page = recalculated[name]["Budgets"]
    listed = [(page.cell(row, 1).value, page.cell(row, 2).value) for row in range(budgets_sheet.SLACK_ROW + 1, page.max_row + 1)]
    ranked = [
        (rank, model)
        for rank, model in listed
        if isinstance(rank, int) and rank > 0 and str(model).startswith(("timm/", "torchvision/"))
    ]
    assert ranked == [(rank, names[rank]) for rank in (*best, *near)]
    assert (
        int((table["budget"] == budget.FITS).sum()),
        f"of {len(table)} rows fit. Unknown figures under a limit do not.",
    ) in listed


def test_the_budgets_of_this_test_tell_apart(board: Board) -> None:
    picks = []
    for limits in (budget.EXAMPLE, LIMITS, {}):
        table = with_budget(board, limits)
        picks.append(budget.best_fitting(table, "rank", budgets_sheet.BEST))
    assert all(len(ranks) == budgets_sheet.BEST for ranks in picks)
    assert len({tuple(ranks) for ranks in picks}) == len(picks)


@pytest.fixture(scope="module")
def converted(convert: Convert, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    reports = {"full": make_report(60), "offline": make_report(40, accuracy=False), "hostile": hostile_report()}
    for name, report in reports.items():
        excel.write(report, folder / f"{name}.xlsx")
    paths = [folder / f"{name}.xlsx" for name in reports]
    convert("pdf", folder, paths)
    convert(_CSV, folder, paths)
    return folder


@pytest.mark.parametrize("name", ["full", "offline", "hostile"])
def test_it_prints(converted: Path, name: str) -> None:
    printed = (converted / f"{name}.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert printed.rstrip().endswith(b"%%EOF")
    assert len(printed) > 20_000


@pytest.mark.parametrize("name", ["full", "offline", "hostile"])
def test_every_sheet_converts_to_csv_without_an_error_value(converted: Path, name: str) -> None:
    sheets = openpyxl.load_workbook(converted / f"{name}.xlsx", read_only=True).sheetnames
    for title in sheets:
        with (converted / f"{name}-{title}.csv").open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert cells
        assert not [cell for cell in cells if cell.startswith(("#NAME", "#REF", "#VALUE", "#DIV", "#N/A", "Err:"))], title


def test_hostile_text_is_shown_and_not_run(converted: Path) -> None:
    with (converted / "hostile-Leaderboard.csv").open(newline="", encoding="utf-8") as file:
        models = {row["Model"] for row in csv.DictReader(file)}
    assert {"=1+1model", "+1model", "-1model", "@SUM(A1)model", '=HYPERLINK("http://evil.example","x")model'} <= models
