"""The workbook read back with openpyxl and pandas: every figure exact, real tables, and nothing of a stranger's making alive."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import pandas as pd
import pytest
from fakes_excel import HOSTILE, distinct_report, hostile_report, leaderboard, make_report
from openpyxl.worksheet.worksheet import Worksheet

from reports import excel
from reports.columns import COVERAGE, LEADERBOARD, UNJOINED, Column, Kind
from reports.excel import about, budget, derived, sheet, text
from reports.excel.board import Board, make_boards
from reports.excel.styles import number_format
from reports.excel.summary import top_picks
from reports.leaderboard import Report
from zoo.errors import OutputError

# Excel keeps the look of data bars in an extension, which openpyxl announces that it does not read.
pytestmark = pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")


def write(report: Report, folder: Path) -> Path:
    path = folder / "leaderboard.xlsx"
    excel.write(report, path)
    return path


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(200)


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report, tmp_path_factory.mktemp("excel"))


@pytest.fixture(scope="module")
def book(written: Path) -> openpyxl.Workbook:
    return openpyxl.load_workbook(written)


def read(path: Path, name: str) -> pd.DataFrame:
    return pd.read_excel(path, sheet_name=name, keep_default_na=False, na_values=[""])


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame, columns: tuple[Column, ...]) -> None:
    """Every value of every column under its heading, an unknown one as an empty cell."""
    for column in columns:
        values = [None if pd.isna(value) else value for value in found[column.header]]
        expected = [None if pd.isna(value) else value for value in wanted[column.key]]
        assert values == expected, column.key


def test_every_figure_is_read_back_exactly(written: Path, report: Report) -> None:
    found = read(written, "Leaderboard").sort_values("Model", ignore_index=True)
    assert_same(found, report.leaderboard.sort_values("model", ignore_index=True), LEADERBOARD)


def test_no_column_is_swapped(tmp_path: Path) -> None:
    report = distinct_report()
    path = write(report, tmp_path)
    assert_same(read(path, "Leaderboard"), report.leaderboard, LEADERBOARD)
    key = ["Architecture", "Input", "Classes", "Variant"]
    assert_same(
        read(path, "Architectures").sort_values(key),
        report.leaderboard,
        tuple(c for c in derived.ARCHITECTURES if c.key != "weights"),
    )
    assert_same(
        read(path, "Coverage").sort_values("Architecture", ignore_index=True),
        report.coverage.sort_values("arch", ignore_index=True),
        COVERAGE,
    )
    assert_same(read(path, "Unjoined"), report.unjoined, UNJOINED)


def test_rows_are_ranked_by_accuracy_and_the_unranked_come_last(written: Path, report: Report) -> None:
    found = read(written, "Leaderboard")
    known = report.leaderboard.dropna(subset=["imagenet_top1"]).sort_values(["imagenet_top1", "macs"], ascending=[False, True])
    assert found["Rank"].dropna().tolist() == list(range(1, len(known) + 1))
    assert found["Top-1 (%)"].dropna().tolist() == known["imagenet_top1"].tolist()
    assert found["Rank"].iloc[len(known) :].isna().all()


@pytest.mark.parametrize("name", ["Leaderboard", "Frontier", "Architectures", "Resolutions", "Coverage", "Unjoined", "Columns"])
def test_a_table_is_a_real_one(book: openpyxl.Workbook, name: str) -> None:
    page = book[name]
    (table,) = page.tables.values()
    assert table.ref == page.dimensions
    assert table.autoFilter is not None
    assert table.tableStyleInfo is not None
    assert table.tableStyleInfo.showRowStripes
    assert page.freeze_panes == "B2"
    assert page.print_title_rows == "$1:$1"
    assert page.page_setup.orientation == "landscape"
    assert page.sheet_properties.pageSetUpPr is not None
    assert page.sheet_properties.pageSetUpPr.fitToPage
    assert (page.page_setup.fitToWidth or 1, page.page_setup.fitToHeight) == (1, 0)  # one page wide, as long as it takes
    assert page.print_area


def test_formats_show_the_unit_of_the_heading_and_cells_hold_the_whole_number(book: openpyxl.Workbook, report: Report) -> None:
    cell = column_cells(book["Leaderboard"], "MACs (G)")[0]
    assert cell.number_format.endswith("#,##0.00,,,")  # three commas divide by a thousand each: 1e9
    assert cell.value in report.leaderboard["macs"].tolist()
    for column in LEADERBOARD:
        number_format(column)  # raises for a scale that a format cannot show


def test_a_scale_no_format_can_show_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="powers of 1,000"):
        number_format(Column("kib", "Memory", "", "", Kind.INTEGER, "KiB", 1024))


def column_cells(page: Worksheet, header: str) -> list[Any]:
    place = next(cell.column for cell in page[1] if cell.value == header)
    return [page.cell(row, place) for row in range(2, page.max_row + 1)]


def test_models_lead_to_their_cards_and_the_frontier_to_the_leaderboard(book: openpyxl.Workbook, report: Report) -> None:
    cards = dict(zip(report.leaderboard["model"], report.leaderboard["source"], strict=True))
    board = column_cells(book["Leaderboard"], "Model")
    assert all(cell.hyperlink.target == cards[cell.value] for cell in board)
    for cell in column_cells(book["Frontier"], "Model"):
        target = re.fullmatch(r"'Leaderboard'!A(\d+)", cell.hyperlink.location)
        assert target is not None
        assert board[int(target[1]) - 2].value == cell.value


def test_the_frontier_is_the_reports_and_says_what_a_step_gains(written: Path, report: Report) -> None:
    wanted = report.leaderboard[report.leaderboard["on_frontier"].fillna(False)].sort_values("macs")
    found = read(written, "Frontier")
    assert found["Model"].tolist() == wanted["model"].tolist()
    assert found["Gain (points)"].iloc[1] == pytest.approx(wanted["imagenet_top1"].iloc[1] - wanted["imagenet_top1"].iloc[0])
    assert found["MACs factor (x)"].iloc[1] == pytest.approx(wanted["macs"].iloc[1] / wanted["macs"].iloc[0])


def test_architectures_are_listed_once_a_size_with_their_weights_counted(written: Path, report: Report) -> None:
    found = read(written, "Architectures")
    listed = list(zip(found["Architecture"], found["Input"], found["Weights"], found["MACs (G)"], strict=True))
    groups = report.leaderboard.groupby(["arch", "input"])["macs"]
    wanted = [(arch, size, len(macs), macs.iloc[0]) for (arch, size), macs in groups]
    assert sorted(listed) == sorted(wanted)


def test_resolutions_hold_the_figure_of_their_input(written: Path, report: Report) -> None:
    found = read(written, "Resolutions").set_index("Architecture")
    macs = report.leaderboard.drop_duplicates(["arch", "input"]).set_index(["arch", "input"])["macs"]
    sizes = [header.removeprefix("MACs at ").removesuffix(" (G)") for header in found.columns if header.startswith("MACs at ")]
    assert sizes == sorted(sizes, key=int)
    for size in sizes:
        for arch, value in found[f"MACs at {size} (G)"].items():
            assert macs.get((arch, f"3x{size}x{size}")) == (None if pd.isna(value) else value)
    assert (found[[f"MACs at {size} (G)" for size in sizes]].notna().sum(axis=1) > 1).all()


def test_columns_say_what_every_heading_means(book: openpyxl.Workbook) -> None:
    explained = {cell.value for cell in column_cells(book["Columns"], "Column")}
    for name in ("Leaderboard", "Frontier", "Architectures", "Resolutions", "Coverage", "Unjoined"):
        headings = list(book[name][1])
        assert {cell.value for cell in headings} <= explained
        assert all(cell.comment is not None for cell in headings)


def test_the_summary_has_key_figures_warnings_chart_and_picks(book: openpyxl.Workbook, report: Report) -> None:
    page = book["Summary"]
    values = [cell.value for row in page.iter_rows() for cell in row if cell.value is not None]
    assert values[0] == report.title
    assert {report.totals.architectures, report.totals.weights, report.totals.failed} <= set(values)
    assert report.warnings[0] in values
    assert any("matmul" in str(value) and "torch 2.14.1" in str(value) for value in values)
    assert book.sheetnames[0] == "Summary"
    assert set(book.sheetnames[1:]) <= set(values)
    assert book.properties.title == report.title
    assert book.properties.creator == "zoometer"


def test_the_chart_is_native_with_a_logarithmic_axis_and_the_frontier_apart(
    written: Path, book: openpyxl.Workbook, report: Report
) -> None:
    with zipfile.ZipFile(written) as archive:
        chart = archive.read("xl/charts/chart2.xml").decode()
    assert '<c:logBase val="10"/>' in chart
    assert chart.count("<c:ser>") == 2
    for name, rows in (("Leaderboard", len(report.leaderboard)), ("Frontier", int(report.leaderboard["on_frontier"].sum()))):
        for header in ("MACs (G)", "Top-1 (%)"):
            letter = column_cells(book[name], header)[0].column_letter
            assert f"<c:f>{name}!${letter}$2:${letter}${rows + 1}</c:f>" in chart


def test_top_picks_are_the_best_within_each_amount_of_work() -> None:
    (board,) = make_boards(leaderboard(300), set())
    ranked = board.frame.dropna(subset=["rank"])
    picks = top_picks(board)
    assert len(picks) > 3
    for tier, row in picks:
        within = ranked[ranked["macs"] <= tier]
        assert board.frame.loc[row, "imagenet_top1"] == within["imagenet_top1"].max()


def test_each_task_has_a_leaderboard_of_its_own(tmp_path: Path) -> None:
    tables = [leaderboard(30), leaderboard(20, seed=1, accuracy=False, task="features")]
    path = write(make_report(leaderboard=pd.concat(tables, ignore_index=True)), tmp_path)
    names = openpyxl.load_workbook(path).sheetnames
    assert names[:4] == ["Summary", "Leaderboard", "Leaderboard features", "Frontier"]
    assert (len(read(path, "Leaderboard")), len(read(path, "Leaderboard features"))) == (30, 20)


def test_without_accuracy_it_says_so_and_shows_no_zero(tmp_path: Path) -> None:
    report = make_report(60, accuracy=False)
    path = write(report, tmp_path)
    book = openpyxl.load_workbook(path)
    assert "Frontier" not in book.sheetnames
    assert any("Accuracy is not available" in str(cell.value) for row in book["Summary"].iter_rows() for cell in row)
    found = read(path, "Leaderboard").sort_values("Model", ignore_index=True)
    assert_same(found, report.leaderboard.sort_values("model", ignore_index=True), LEADERBOARD)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("xl/charts/chart1.xml").decode().count("<c:ser>") == 1


def test_a_report_without_rows_is_a_workbook_too(tmp_path: Path, report: Report) -> None:
    empty = dataclasses.replace(
        report, leaderboard=report.leaderboard.iloc[:0], coverage=report.coverage.iloc[:0], unjoined=report.unjoined.iloc[:0]
    )
    book = openpyxl.load_workbook(write(empty, tmp_path))
    assert book.sheetnames == ["Summary", "Coverage", "Columns", "About"]
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
    assert found["Budget"].iloc[-1] == budget.UNKNOWN
    assert found[[c.header for c in LEADERBOARD if c.key in costs]].iloc[-1].isna().all()


# Safety


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(hostile_report(), tmp_path_factory.mktemp("hostile"))


def test_a_hostile_zoo_makes_no_formula(hostile: Path, written: Path) -> None:
    """The formulas are the same as in a harmless workbook, apart from where their rows are."""

    def shapes(path: Path) -> set[str]:
        book = openpyxl.load_workbook(path)
        formulas = {cell.value for page in book for row in page.iter_rows() for cell in row if cell.data_type == "f"}
        return {re.sub(r"\d+", "#", str(formula)) for formula in formulas}

    assert shapes(hostile) == shapes(written)


def test_hostile_text_stays_text_even_when_it_is_edited(hostile: Path) -> None:
    page = openpyxl.load_workbook(hostile)["Leaderboard"]
    cells = [*column_cells(page, "Model"), *column_cells(page, "Family"), *column_cells(page, "Licence")]
    tempting = [cell for cell in cells if str(cell.value)[:1] in "=+-@\t\n"]
    assert len(tempting) >= 3 * sum(text[0] in "=+-@\t\r" for text in HOSTILE)
    assert all(cell.data_type == "s" and cell.quotePrefix for cell in tempting)


def test_links_lead_to_the_web_or_inside_only(hostile: Path) -> None:
    with zipfile.ZipFile(hostile) as archive:
        relations = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".rels") and "worksheets" in name
        ]
    outside = {target for relation in relations for target in re.findall(r'Target="([^"]*)" TargetMode="External"', relation)}
    assert outside == {"https://ok.example/1"}


def test_every_part_of_a_hostile_workbook_is_well_formed(hostile: Path) -> None:
    with zipfile.ZipFile(hostile) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            if name.endswith((".xml", ".rels", ".vml")):
                ET.fromstring(archive.read(name))  # noqa: S314 -- our own file


def test_control_characters_are_shown_and_long_text_is_cut_with_a_notice(hostile: Path) -> None:
    models = [cell.value for cell in column_cells(openpyxl.load_workbook(hostile)["Leaderboard"], "Model")]
    assert "a\ufffdb\ufffdc\ufffd_x0041_model" in models
    long = next(model for model in models if model.startswith("xxx"))
    assert len(long) == text.MAX_CELL
    assert long.endswith("[cut: 40,000 characters in all]")


@pytest.mark.parametrize("letter", ["x", "é", "🙂"])
def test_a_cut_text_fits_excels_way_of_counting(letter: str) -> None:
    cut = text.clean_text(letter * 40_000)
    assert len(cut.encode("utf-16-le")) // 2 <= text.MAX_CELL
    assert cut.endswith("characters in all]")
    assert text.clean_text(letter * 16_000) == letter * 16_000


def test_sheet_names_are_legal_and_differ() -> None:
    taken: set[str] = set()
    wanted = ["Leaderboard a/b:c*[d]?", "Leaderboard a b c  d", "x" * 40, "X" * 40, "'=1'\"", "", "History"]
    names = [text.sheet_name(name, taken) for name in wanted]
    assert len({name.lower() for name in names}) == len(wanted)
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\'\"") for name in names)


# Limits of the format


def test_more_rows_than_a_sheet_holds_continue_with_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_ROWS", 25)
    report = make_report(60)
    path = write(report, tmp_path)
    parts = [read(path, name) for name in ("Leaderboard", "Leaderboard (2)", "Leaderboard (3)")]
    assert [len(part) for part in parts] == [25, 25, 10]
    assert_same(pd.concat(parts).sort_values("Model"), report.leaderboard.sort_values("model"), LEADERBOARD)
    summary = [str(cell.value) for row in openpyxl.load_workbook(path)["Summary"].iter_rows() for cell in row]
    assert any("60 rows are more than a sheet can hold" in value for value in summary)


def test_more_links_than_a_sheet_holds_are_text_with_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_LINKS", 5)
    report = make_report(20)
    book = openpyxl.load_workbook(write(report, tmp_path))
    models = column_cells(book["Leaderboard"], "Model")
    assert [cell.hyperlink is not None for cell in models] == [True] * 5 + [False] * 15
    assert sorted(cell.value for cell in models) == sorted(report.leaderboard["model"])


def test_styles_are_shared(written: Path, tmp_path: Path) -> None:
    def count(path: Path) -> int:
        with zipfile.ZipFile(path) as archive:
            found = re.search(r'<cellXfs count="(\d+)"', archive.read("xl/styles.xml").decode())
        assert found is not None
        return int(found[1])

    assert count(write(make_report(20), tmp_path)) == count(written)
    assert count(written) < 100


# Writing


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path, report: Report) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written: .*choose another folder"):
        excel.write(report, tmp_path / "file" / "leaderboard.xlsx")


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "leaderboard.xlsx"
    path.write_text("old")

    def fill_the_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(about, "write_about", fill_the_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        excel.write(make_report(5), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_report_gives_the_same_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    excel.write(make_report(10), first)
    excel.write(make_report(10), second)
    assert first.read_bytes() == second.read_bytes()


# Budgets


def rows_for(board: Board, limits: dict[str, float]) -> list[tuple[float, str, str]]:
    """The budget's rules, row by row, word for word."""
    found = []
    for _, row in board.frame.iterrows():
        shares = {}
        for rule in board.rules:
            value, limit = row[rule.column.key], limits.get(rule.column.key)
            if limit is not None and pd.notna(value):
                shares[rule.column.title] = limit / value if rule.is_least else value / limit
        unknown = pd.isna(row["macs"]) or any(pd.isna(row[key]) for key in limits)
        worst = max(shares, key=lambda title: shares[title], default=budget.NO_LIMIT)
        load = shares.get(worst, 0.0)
        found.append((load, budget.OVER if load > 1 else budget.UNKNOWN if unknown else budget.FITS, worst))
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
    found = budget.evaluate(board.frame, limits, board.rules)
    for (load, verdict, binding), row in zip(rows_for(board, limits), found.itertuples(index=False), strict=True):
        assert row.of_budget == pytest.approx(load, abs=1e-200)
        assert (row.budget, row.binding_limit) == (verdict, binding)


def test_values_beside_the_formulas_are_those_of_the_limits_written(written: Path, report: Report) -> None:
    (board,) = make_boards(report.leaderboard, set())
    found = read(written, "Leaderboard")
    wanted = rows_for(board, budget.EXAMPLE)
    assert found["Budget"].tolist() == [verdict for _, verdict, _ in wanted]
    assert found["Binding limit"].tolist() == [binding for _, _, binding in wanted]
    assert found["Of budget"].tolist() == pytest.approx([load for load, _, _ in wanted])
