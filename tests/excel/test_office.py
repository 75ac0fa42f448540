"""The workbook in a real spreadsheet program: it opens, prints, and its formulas say what Python computed."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from fakes_excel import Convert, hostile_report, leaderboard, make_report, with_budgets
from openpyxl.worksheet.worksheet import Worksheet

from reports import excel
from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.limits import Limit
from reports.excel.budgets import limit_cells, limits_and_formulas, live_picks
from reports.excel.sheets.board import Board, make_boards
from reports.leaderboard.report import Report
from reports.selection.selection import SelectionResult, select_models

# LibreOffice writes extensions, which openpyxl announces that it does not read.
pytestmark = [pytest.mark.office, pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")]

LIMITS = {"params": 6_500_000.0, "macs": 1_500_000_000.0, "peak_activation_bytes": 20_000_000.0, "imagenet_top1": 65.0}
"""Another budget than the one the workbook starts with."""
CHOSEN = "far*out"
BUDGET_OF: dict[str, Mapping[str, float]] = {
    "written": {"params": 30e6, "macs": 5e9},
    "chosen": {"macs": 1e9, "imagenet_top1": 70.0},
    "typed": LIMITS,
    "none": {},
}
"""The limits in force after each change: the first budget's, another one's as far as cells hold it, typed ones, none."""
ENTRY = limit_cells.ENTRY + 1
OTHER_TASK = "optical-flow"
_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"  # comma, quote, UTF-8, every sheet


@pytest.fixture(scope="module")
def report() -> Report:
    return with_budgets(make_report(150))


@pytest.fixture(scope="module")
def board(report: Report) -> Board:
    return make_boards(report.leaderboard, set())[0]


@pytest.fixture(scope="module")
def recalculated(report: Report, convert: Convert, tmp_path_factory: pytest.TempPathFactory) -> dict[str, openpyxl.Workbook]:
    """The workbook after LibreOffice worked out every formula: as written, with another budget chosen, limits typed, and none."""
    folder = tmp_path_factory.mktemp("office")
    written = folder / "leaderboard.xlsx"
    excel.write(report, written)
    for name, limits in BUDGET_OF.items():
        book = openpyxl.load_workbook(written)
        page = book["Summary"]
        if name == "chosen":
            page.cell(limit_cells.START_ROW + 1, ENTRY).value = CHOSEN
        elif name != "written":
            _type_limits(page, limits)
        # openpyxl saves formulas without their values: nothing of ours is left to be read back.
        book.save(folder / f"{name}.xlsx")
    excel.write(two_tasks(), written)
    book = openpyxl.load_workbook(written)
    book["Summary"].cell(limit_cells.TASK_ROW + 1, ENTRY).value = OTHER_TASK
    _type_limits(book["Summary"], {})
    book.save(folder / "task.xlsx")
    names = [*BUDGET_OF, "task"]
    convert("xlsx", folder / "out", [folder / f"{name}.xlsx" for name in names])
    return {name: openpyxl.load_workbook(folder / "out" / f"{name}.xlsx", data_only=True) for name in names}


def _type_limits(page: Worksheet, limits: Mapping[str, float]) -> None:
    columns = (ACCURACY_COLUMNS[0].column, *limits_and_formulas.COSTS)
    for row, column in enumerate(columns, start=limit_cells.ACCURACY_ROW + 1):
        exact = limits.get(column.key)
        page.cell(row, ENTRY).value = None if exact is None else exact / column.scale


def selected(board: Board, limits: Mapping[str, float]) -> SelectionResult:
    """What the selection behind `zoometer select` says of the rows of a leaderboard."""
    kept = [Limit(column, limits[column.key]) for column in board.limited if column.key in limits]
    assert board.quality is not None
    return select_models(board.frame, kept, [board.quality, next(c for c in board.limited if c.key == "macs")])


@pytest.mark.parametrize("name", list(BUDGET_OF))
def test_formulas_say_what_the_selection_says(recalculated: dict[str, openpyxl.Workbook], board: Board, name: str) -> None:
    rows = recalculated[name]["Leaderboard"].iter_rows(values_only=True)
    found = pd.DataFrame(rows, columns=next(rows))
    wanted = selected(board, BUDGET_OF[name]).verdicts
    assert found["Model"].tolist() == board.frame["model"].tolist()
    assert found["Budget"].tolist() == wanted["state"].tolist()
    over = (wanted["state"] == limits_and_formulas.OVER).to_numpy()
    assert found["Binding limit"][over].tolist() == wanted["binding"][over].tolist()
    assert found["Of budget"][over].tolist() == pytest.approx(wanted["ratio"][over].tolist(), rel=1e-12)


@pytest.mark.parametrize("name", list(BUDGET_OF))
def test_formulas_say_what_stands_beside_them_in_the_file(
    recalculated: dict[str, openpyxl.Workbook], board: Board, name: str
) -> None:
    rows = recalculated[name]["Leaderboard"].iter_rows(values_only=True)
    found = pd.DataFrame(rows, columns=next(rows))
    wanted = limits_and_formulas.evaluate(board.frame, BUDGET_OF[name], board.limited)
    for column in (limits_and_formulas.VERDICT, limits_and_formulas.BINDING):
        assert found[column.title].tolist() == wanted[column.key].tolist()
    assert found["Of budget"].tolist() == pytest.approx(wanted["of_budget"].tolist(), rel=1e-12, abs=1e-200)


@pytest.mark.parametrize("name", list(BUDGET_OF))
def test_changing_a_limit_changes_the_picks(recalculated: dict[str, openpyxl.Workbook], board: Board, name: str) -> None:
    table = board.frame.assign(**limits_and_formulas.evaluate(board.frame, BUDGET_OF[name], board.limited))
    is_near = (table["of_budget"] > 1) & (table["of_budget"] <= 1 + limits_and_formulas.SLACK)
    near = table.loc[is_near, "rank"].dropna().sort_values().head(live_picks.NEAR)
    best = selected(board, BUDGET_OF[name]).fitting[: live_picks.BEST]
    names = table.dropna(subset=["rank"]).set_index("rank")["model"]
    page = recalculated[name]["Summary"]
    found = picks(page)
    assert [pick["Model"] for pick in found] == [*table["model"].iloc[best], *(names[rank] for rank in near)]
    assert [pick["what"] for pick in found[:2]] == ["Pick", "Runner-up"]
    by_rank = table.dropna(subset=["rank"]).set_index("rank")
    for pick in found:
        row = by_rank.loc[pick["Rank"]]
        assert [pick[head] for head in ("Input", "Top-1 (%)", "Params (M)", "MACs (G)")] == [
            row[key] for key in ("input", "imagenet_top1", "params", "macs")
        ]
    counted = [(page.cell(row, 1).value, page.cell(row, 2).value) for row in range(1, page.max_row)]
    fitting = int((table["budget"] == limits_and_formulas.FITS).sum())
    assert [str(text).startswith(f"of {len(table)} rows of this task") for count, text in counted if count == fitting] == [True]


def picks(page: Worksheet) -> list[dict[str, Any]]:
    """The models that the first sheet lists under their headings, and what each row is."""
    head = next(row for row in range(1, page.max_row) if page.cell(row, 2).value == "Model")
    heads = ["what", *(str(page.cell(head, column).value) for column in range(2, 12))]
    rows = (
        [page.cell(row, column).value for column in range(1, 12)]
        for row in range(head + 1, head + live_picks.BEST + live_picks.NEAR + 2)
    )
    return [dict(zip(heads, row, strict=True)) for row in rows if row[heads.index("Rank")]]


def test_limits_without_a_cell_are_named(recalculated: dict[str, openpyxl.Workbook], report: Report) -> None:
    answer = next(answer for answer in report.budgets if answer.name == CHOSEN)
    texts = {name: [str(cell.value) for cell in recalculated[name]["Summary"]["B"]] for name in ("written", "chosen")}
    assert any(text.startswith("Applied on the sheet Budgets only: ") and answer.limits[-1] in text for text in texts["chosen"])
    assert not any("Applied" in text for text in texts["written"])


def test_another_task_has_other_picks(recalculated: dict[str, openpyxl.Workbook]) -> None:
    board = make_boards(two_tasks().leaderboard, set())[1]
    assert board.task == OTHER_TASK
    found = picks(recalculated["task"]["Summary"])
    table = board.frame.assign(**limits_and_formulas.evaluate(board.frame, {}, board.limited))
    assert [pick["Model"] for pick in found] == table["model"].head(live_picks.BEST).tolist()
    assert [pick["Sintel train clean EPE (px)"] for pick in found] == table["sintel_train_clean_epe"].head(
        live_picks.BEST
    ).tolist()
    titles = [cell.value for cell in recalculated["task"]["Summary"]["A"]]
    assert "Sintel train clean EPE, at most" in titles
    assert "Top-1, at least" not in titles


def two_tasks() -> Report:
    """Classifiers, and networks for optical flow, where less is better."""
    flow = leaderboard(12, seed=3, accuracy=False, task=OTHER_TASK)
    flow["sintel_train_clean_epe"] = pd.array([3.0 - step / 10 for step in range(12)], dtype="Float64")
    classifiers = leaderboard(20)
    return make_report(leaderboard=pd.concat([classifiers, flow], ignore_index=True).astype(classifiers.dtypes))


def test_the_budgets_of_this_test_tell_apart(board: Board) -> None:
    picks = [tuple(selected(board, limits).fitting[: live_picks.BEST]) for limits in BUDGET_OF.values()]
    assert len(set(picks)) == len(picks)


@pytest.fixture(scope="module")
def converted(convert: Convert, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    reports = {"full": with_budgets(make_report(60)), "offline": make_report(40, accuracy=False), "hostile": hostile_report()}
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
    # The sheets Summary, Frontiers (where there is an accuracy) and About.
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == (2 if name == "offline" else 3)


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
