"""The workbook read back with openpyxl and pandas: every figure exact, real tables, and nothing of a stranger's making alive."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import openpyxl
import pandas as pd
import pytest
from fakes_excel import assert_same, column_cells, distinct_report, leaderboard, make_report, read, with_budgets, write
from openpyxl.utils import get_column_letter

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, TRAINING, UNMATCHED
from reports.columns.section_columns import AUDIT, CHANGES
from reports.excel.budgets import entry_cells, limit_cells, limits_and_formulas
from reports.excel.sheets.board import Board, make_boards
from reports.excel.writer.cells import render_cell
from reports.excel.writer.styles import number_format
from reports.leaderboard.report import Report

CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"

UNTRAINED = tuple(column for column in LEADERBOARD if column not in TRAINING)
"""Columns of a report in which no step of training was counted."""


@pytest.fixture(scope="module")
def report() -> Report:
    return with_budgets(make_report(200))


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report, tmp_path_factory.mktemp("excel"))


@pytest.fixture(scope="module")
def book(written: Path) -> openpyxl.Workbook:
    return openpyxl.load_workbook(written)


def test_every_figure_is_read_back_exactly(written: Path, report: Report) -> None:
    found = read(written, "Leaderboard").sort_values("Model", ignore_index=True)
    assert_same(found, report.leaderboard.sort_values("model", ignore_index=True), UNTRAINED)


def test_no_column_is_swapped(tmp_path: Path) -> None:
    report = distinct_report()
    path = write(report, tmp_path)
    assert_same(read(path, "Leaderboard"), report.leaderboard, LEADERBOARD)
    assert_same(
        read(path, "Coverage").sort_values("Architecture", ignore_index=True),
        report.coverage.sort_values("arch", ignore_index=True),
        COVERAGE,
    )
    assert_same(read(path, "Unmatched"), report.unmatched, UNMATCHED)
    assert report.changes is not None
    order = {kind: place for place, kind in enumerate(("changed", "failed", "added"))}
    assert_same(read(path, "Changes"), report.changes.rows.sort_values("kind", key=lambda kinds: kinds.map(order)), CHANGES)
    assert_same(read(path, "Audit"), report.audits[0].rows.iloc[::-1], AUDIT)  # what needs a look first


def test_rows_are_ranked_by_accuracy_and_the_unranked_come_last(written: Path, report: Report) -> None:
    found = read(written, "Leaderboard")
    known = report.leaderboard.dropna(subset=["imagenet_top1"]).sort_values(["imagenet_top1", "macs"], ascending=[False, True])
    assert found["Rank"].dropna().tolist() == list(range(1, len(known) + 1))
    assert found["Top-1 (%)"].dropna().tolist() == known["imagenet_top1"].tolist()
    assert found["Rank"].iloc[len(known) :].isna().all()


def test_formulas_carry_what_they_give_so_that_it_shows_before_they_are_worked_out(written: Path) -> None:
    """Protected View, previews and pandas do not calculate."""
    formulas, values = openpyxl.load_workbook(written), openpyxl.load_workbook(written, data_only=True)
    found = [
        (cell, values[page.title][cell.coordinate]) for page in formulas for row in page for cell in row if cell.data_type == "f"
    ]
    assert {formula.parent.title for formula, _ in found} == {"Leaderboard", "Summary", "Limits"}
    for formula, value in found:
        assert str(formula.value).startswith("=")
        # openpyxl reads the empty text of a line without a pick as nothing.
        assert value.value is not None or formula.parent.title == "Summary"
        assert not str(value.value).startswith("=")
        assert formula.style_id == value.style_id
    assert formulas.calculation.fullCalcOnLoad


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, np.float64(0.1)])
def test_a_cell_holds_every_digit(value: float) -> None:
    """A double needs 17 of them; openpyxl's own cells have 16."""
    assert float(ET.fromstring(render_cell("A1", value, 0)).findtext("v", "")) == value  # noqa: S314 -- our own text


@pytest.mark.parametrize(("value", "kind"), [(2**53 + 1, None), (np.int64(7), None), (True, "b")])
def test_whole_numbers_and_truth_values_keep_their_kind(value: int, kind: str | None) -> None:
    cell = ET.fromstring(render_cell("A1", value, 0))  # noqa: S314 -- our own text
    assert (int(cell.findtext("v", "")), cell.get("t")) == (value, kind)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_no_cell_can_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be written to a cell"):
        render_cell("A1", value, 0)


@pytest.mark.parametrize("name", ["Leaderboard", "Coverage", "Unmatched", "Columns", "Changes", "Audit"])
def test_a_table_is_a_real_one(book: openpyxl.Workbook, name: str) -> None:
    page = book[name]
    (table,) = page.tables.values()
    assert table.ref == f"A1:{get_column_letter(len(table.tableColumns))}{page.max_row}"
    assert [cell.value for cell in page[1]][: len(table.tableColumns)] == [column.name for column in table.tableColumns]
    assert table.autoFilter is not None
    assert table.tableStyleInfo is not None
    assert table.tableStyleInfo.showRowStripes
    assert page.freeze_panes == "B2"
    assert page.print_title_rows == "$1:$1"
    assert page.page_setup.orientation == "landscape"
    assert page.sheet_properties.pageSetUpPr is not None
    assert page.sheet_properties.pageSetUpPr.fitToPage
    assert (page.page_setup.fitToWidth or 1, page.page_setup.fitToHeight) == (1, 0)  # one page wide, as long as it takes
    hidden = get_column_letter(len(table.tableColumns) + 2)
    assert page.print_area == f"'{name}'!${hidden}$1"  # a hidden column: the sheet prints only without its print area
    assert page.column_dimensions[hidden].hidden


def test_formats_show_the_unit_of_the_heading_and_cells_hold_the_whole_number(book: openpyxl.Workbook, report: Report) -> None:
    cell = column_cells(book["Leaderboard"], "MACs (G)")[0]
    assert cell.number_format.endswith("#,##0.00,,,")  # three commas divide by a thousand each: 1e9
    assert cell.value in report.leaderboard["macs"].tolist()
    for column in LEADERBOARD:
        number_format(column)  # raises for a scale that a format cannot show


def test_a_scale_no_format_can_show_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="powers of 1,000"):
        number_format(Column("kib", "Memory", "", "", ColumnKind.INTEGER, "KiB", 1024))


def test_models_lead_to_their_cards_and_the_frontier_to_the_leaderboard(book: openpyxl.Workbook, report: Report) -> None:
    cards = dict(zip(report.leaderboard["model"], report.leaderboard["source"], strict=True))
    board = column_cells(book["Leaderboard"], "Model")
    assert all(cell.hyperlink.target == cards[cell.value] for cell in board)
    for cell in [cell for cell in book["Frontiers"]["B"] if cell.hyperlink]:
        target = re.fullmatch(r"'Leaderboard'!A(\d+)", cell.hyperlink.location)
        assert target is not None
        assert board[int(target[1]) - 2].value == cell.value


def test_the_frontier_is_the_reports_and_says_what_a_step_gains(written: Path, report: Report) -> None:
    wanted = report.leaderboard[report.leaderboard["on_frontier"].fillna(False)].sort_values("macs")
    found = read(written, "Frontiers", above=1)
    assert found["Model"].tolist() == wanted["model"].tolist()
    assert found["Gain (points)"].iloc[1] == pytest.approx(wanted["imagenet_top1"].iloc[1] - wanted["imagenet_top1"].iloc[0])
    assert found["MACs factor (x)"].iloc[1] == pytest.approx(wanted["macs"].iloc[1] / wanted["macs"].iloc[0])


def test_resolutions_hold_the_figure_of_their_input(tmp_path: Path) -> None:
    classifiers, sizes = leaderboard(24), (224, 288, 384)
    tables = [classifiers.assign(input=f"3x{size}x{size}", macs=classifiers["macs"] + size) for size in sizes]
    tables.append(classifiers.iloc[:1].assign(input="3x512x512"))  # too rare for a column
    table = pd.concat(tables, ignore_index=True).astype(classifiers.dtypes)
    found = read(write(make_report(leaderboard=table), tmp_path), "Resolutions").set_index("Architecture")
    macs = table.drop_duplicates(["arch", "input"]).set_index(["arch", "input"])["macs"]
    assert [header for header in found.columns if header.startswith("MACs at ")] == [f"MACs at {size} (G)" for size in sizes]
    assert len(found) == table["arch"].nunique()
    for size in sizes:
        assert found[f"MACs at {size} (G)"].to_dict() == macs.xs(f"3x{size}x{size}", level="input").to_dict()


def test_columns_say_what_every_heading_means(book: openpyxl.Workbook) -> None:
    explained = {cell.value for cell in column_cells(book["Columns"], "Column")}
    for name in ("Leaderboard", "Coverage", "Unmatched"):
        headings = list(book[name][1])
        assert {cell.value for cell in headings} <= explained
        assert all(cell.comment is not None for cell in headings)


def test_the_summary_has_key_figures_warnings_chart_and_picks(book: openpyxl.Workbook, report: Report) -> None:
    page = book["Summary"]
    values = [cell.value for row in page.iter_rows() for cell in row if cell.value is not None]
    assert values[0] == report.title
    totals = report.totals
    assert any(f"{totals.weights:,} weights of {totals.architectures:,} architectures" in str(value) for value in values)
    assert report.warnings[0] in values
    assert any("matmul" in str(value) and "torch 2.14.1" in str(value) for value in values)
    assert book.sheetnames[0] == "Summary"
    assert {page.title for page in book.worksheets[1:] if page.sheet_state == "visible"} <= set(values)
    assert book.properties.title == report.title
    assert book.properties.creator == "zoometer"


def read_chart(path: Path, number: int) -> ET.Element:
    with zipfile.ZipFile(path) as archive:
        return ET.fromstring(archive.read(f"xl/charts/chart{number}.xml"))  # noqa: S314 -- our own file


@pytest.mark.parametrize("number", [1, 2])  # of the sheets Summary and Frontiers
def test_the_chart_is_native_with_a_logarithmic_axis_and_the_frontier_apart(
    written: Path, book: openpyxl.Workbook, report: Report, number: int
) -> None:
    chart = read_chart(written, number)
    across, up = chart.iter(f"{CHART}valAx")
    assert [axis.find(f"{CHART}scaling/{CHART}logBase") is not None for axis in (across, up)] == [True, False]
    assert [axis.find(f"{CHART}delete").get("val") for axis in (across, up)] == ["0", "0"]  # type: ignore[union-attr]
    ranges = [formula.text for formula in chart.iter(f"{CHART}f")]
    assert len(list(chart.iter(f"{CHART}ser"))) == 2
    for name, head, rows in (
        ("Leaderboard", 1, len(report.leaderboard)),
        ("Frontiers", 2, report.leaderboard["on_frontier"].sum()),
    ):
        for header in ("MACs (G)", "Top-1 (%)"):
            letter = next(cell.column_letter for cell in book[name][head] if cell.value == header)
            assert f"'{name}'!${letter}${head + 1}:${letter}${rows + head}" in ranges


def test_some_of_the_frontiers_points_are_named(written: Path, report: Report) -> None:
    _, line = read_chart(written, 1).iter(f"{CHART}ser")
    rows = report.leaderboard[report.leaderboard["on_frontier"].fillna(False)].sort_values("macs")
    labels = {int(label.find(f"{CHART}idx").get("val", "")): "".join(label.itertext()) for label in line.iter(f"{CHART}dLbl")}  # type: ignore[union-attr]
    assert len(labels) > 2
    assert labels == {place: rows["arch"].iloc[place] for place in labels}


def test_a_chart_draws_before_it_is_calculated_and_says_what_it_shows(written: Path, report: Report) -> None:
    cloud, _ = read_chart(written, 1).iter(f"{CHART}ser")
    points = [point.text for point in cloud.iterfind(f"{CHART}xVal//{CHART}v")]
    assert sorted(map(int, filter(None, points))) == sorted(report.leaderboard["macs"].tolist())
    with zipfile.ZipFile(written) as archive:
        assert 'descr="Every model' in archive.read("xl/drawings/drawing1.xml").decode()


def test_magnitudes_have_bars_and_accuracies_shades(book: openpyxl.Workbook) -> None:
    page = book["Leaderboard"]
    found = {str(area.sqref).split(":")[0]: {rule.type for rule in area.rules} for area in page.conditional_formatting}
    for header, mark in (("MACs (G)", "dataBar"), ("Params (M)", "dataBar"), ("Top-1 (%)", "colorScale"), ("Budget", "cellIs")):
        assert found[column_cells(page, header)[0].coordinate] == {mark}


def test_limits_are_named_and_accept_only_numbers(book: openpyxl.Workbook) -> None:
    page = book["Summary"]
    columns = (ACCURACY_COLUMNS[0].column, *limits_and_formulas.COSTS)
    first = limit_cells.ACCURACY_ROW + 1
    for row, column in enumerate(columns, start=first):
        (place,) = book.defined_names[limits_and_formulas.limit_name(column)].destinations
        none = 0 if column == columns[0] else 1e300
        cell = f"'Summary'!$C${row}"
        chosen = f"AND(OR(task_choice=1),ISNUMBER({cell}))" if column == columns[0] else f"ISNUMBER({cell})"
        assert book[place[0]][place[1]].value == f"=IF({chosen},{cell}*{column.scale:.0f},{none:.0E})"
        assert not page.cell(row, 3).protection.locked
    checked = {str(rule.sqref): (rule.type, rule.operator) for rule in page.data_validations.dataValidation}
    assert {checked.pop(f"C{row + 1}")[0] for row in (limit_cells.TASK_ROW, limit_cells.START_ROW)} == {"list"}
    assert checked == {f"C{row}": ("decimal", "greaterThan") for row in range(first, first + len(columns))}


def test_each_task_has_a_leaderboard_of_its_own(tmp_path: Path) -> None:
    tables = [leaderboard(30), leaderboard(20, seed=1, accuracy=False, task="features")]
    path = write(make_report(leaderboard=pd.concat(tables, ignore_index=True)), tmp_path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:4] == ["Summary", "Leaderboard", "Leaderboard features", "Frontiers"]
    tasks = [
        rule.formula1
        for rule in book["Summary"].data_validations.dataValidation
        if str(rule.sqref) == f"C{limit_cells.TASK_ROW + 1}"
    ]
    ((sheet, area),) = book.defined_names[tasks[0]].destinations
    assert [row[0].value for row in book[sheet][area]] == ["classification", "features"]
    assert (len(read(path, "Leaderboard")), len(read(path, "Leaderboard features"))) == (30, 20)


def test_without_accuracy_it_says_so_and_shows_no_zero(tmp_path: Path) -> None:
    report = make_report(60, accuracy=False)
    path = write(report, tmp_path)
    book = openpyxl.load_workbook(path)
    assert "Frontiers" not in book.sheetnames
    assert any("Accuracy is not available" in str(cell.value) for row in book["Summary"].iter_rows() for cell in row)
    found = read(path, "Leaderboard").sort_values("Model", ignore_index=True)
    assert_same(found, report.leaderboard.sort_values("model", ignore_index=True), UNTRAINED)
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "chart" in name]


def test_a_report_without_rows_is_a_workbook_too(tmp_path: Path, report: Report) -> None:
    empty = dataclasses.replace(
        report, leaderboard=report.leaderboard.iloc[:0], coverage=report.coverage.iloc[:0], unmatched=report.unmatched.iloc[:0]
    )
    book = openpyxl.load_workbook(write(empty, tmp_path))
    assert book.sheetnames == ["Summary", "Changes", "Coverage", "Audit", "Columns", "About"]
    assert book["Coverage"]["A2"].value == "Every architecture was counted exactly."


def test_a_row_that_failed_has_no_rank_and_fits_nothing(tmp_path: Path) -> None:
    table = leaderboard(20)
    costs = [c.key for c in LEADERBOARD if c.group == "Cost"]
    table.loc[0, costs] = pd.NA
    table.loc[0, "status"] = "failed"
    table["imagenet_top1"] = pd.array([99.0, *([70.0] * 19)], dtype="Float64")
    found = read(write(make_report(leaderboard=table), tmp_path), "Leaderboard")
    assert found["Status"].iloc[-1] == "failed"
    assert pd.isna(found["Rank"].iloc[-1])
    assert found["Budget"].iloc[-1] == limits_and_formulas.UNKNOWN
    assert found[[c.header for c in LEADERBOARD if c.key in costs]].iloc[-1].isna().all()


# Budgets


def rows_for(board: Board, limits: Mapping[str, float]) -> list[tuple[float, str, str]]:
    """The budget's rules, row by row, word for word."""
    found = []
    for _, row in board.frame.iterrows():
        shares = {}
        for column in board.limited:
            value, limit = row[column.key], limits.get(column.key)
            if limit is not None and pd.notna(value):
                shares[column.title] = limit / value if column.better is Better.HIGH else value / limit
        unknown = pd.isna(row["macs"]) or any(pd.isna(row[key]) for key in limits)
        worst = max(shares, key=lambda title: shares[title], default=limits_and_formulas.NO_LIMIT)
        load = shares.get(worst, 0.0)
        found.append(
            (
                load,
                limits_and_formulas.OVER if load > 1 else limits_and_formulas.UNKNOWN if unknown else limits_and_formulas.FITS,
                worst,
            )
        )
    return found


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"macs": 2e9},
        {"params": 5e6, "macs": 1e9, "imagenet_top1": 70.0},
        {"file_bytes": 20e6},
        {"imagenet_top1": 75.0, "peak_activation_bytes": 4e7},
    ],
)
def test_budget_columns_follow_the_limits(limits: dict[str, float]) -> None:
    (board,) = make_boards(leaderboard(150), set())
    found = limits_and_formulas.evaluate(board.frame, limits, board.limited)
    for (load, verdict, binding), row in zip(rows_for(board, limits), found.itertuples(index=False), strict=True):
        assert row.of_budget == pytest.approx(load, abs=1e-200)
        assert (row.budget, row.binding_limit) == (verdict, binding)


def test_values_beside_the_formulas_are_those_of_the_limits_written(written: Path, report: Report) -> None:
    (board,) = make_boards(report.leaderboard, set())
    found = read(written, "Leaderboard")
    wanted = rows_for(board, limits_and_formulas.EXAMPLE)  # those of the first configured budget as well
    assert found["Budget"].tolist() == [verdict for _, verdict, _ in wanted]
    assert found["Binding limit"].tolist() == [binding for _, _, binding in wanted]
    assert found["Of budget"].tolist() == pytest.approx([load for load, _, _ in wanted])


def test_links_lead_to_cells_that_there_are(book: openpyxl.Workbook) -> None:
    """A link to a hidden sheet does nothing in Excel."""
    targets = [
        cell.hyperlink.location for page in book for row in page for cell in row if cell.hyperlink and cell.hyperlink.location
    ]
    assert len(targets) > len(book.sheetnames)
    for target in targets:
        sheet, cell = target.split("!")
        page = book[sheet.strip("'")]
        assert page.sheet_state == "visible"
        assert page[cell].row <= page.max_row


def test_the_first_sheet_has_the_cells_the_pick_and_links(book: openpyxl.Workbook, report: Report) -> None:
    page = book.worksheets[0]
    labels = {str(page.cell(row, entry_cells.LABEL + 1).value) for row in range(1, page.max_row)}
    assert {"Task", "Start from the limits of", "Params, at most", "MACs, at most", "Pick", "Runner-up"} <= labels
    linked = {cell.value for row in page for cell in row if cell.hyperlink}
    assert {one.title for one in book.worksheets[1:] if one.sheet_state == "visible"} <= linked
    assert {one.title for one in book if one.sheet_state == "hidden"} == {"Limits"}
    answers = [cell for cell in page["B"] if cell.hyperlink and str(cell.hyperlink.location).startswith("'Budgets'!A")]
    assert [cell.offset(column=1).value for cell in answers] == [answer.name for answer in report.budgets]


def test_about_says_which_runs_and_tables_were_compared(book: openpyxl.Workbook, report: Report) -> None:
    lines = {str(row[0]): str(row[1]) for row in book["About"].iter_rows(values_only=True)}
    assert report.changes is not None
    assert lines[report.changes.heading] == str(report.changes)
    (audit,) = report.audits
    assert lines[f"{audit.title}, {audit.zoo}"].startswith(f"Counts as: {audit.counts_as}. {audit}. ")
    (cause, rows), *_ = audit.causes
    assert f"{cause} ({rows:,} rows)" in lines[f"{audit.title}, {audit.zoo}"]
