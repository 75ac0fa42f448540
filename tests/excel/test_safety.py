"""The workbook is safe and whole: nothing of a stranger's making is alive in it, and no limit of the format breaks it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import openpyxl
import pandas as pd
import pytest
from fakes_excel import HOSTILE, assert_same, column_cells, hostile_report, make_report, read, with_budgets, write

from reports import excel
from reports.columns.leaderboard_columns import LEADERBOARD, TRAINING
from reports.excel.sheets import about
from reports.excel.writer import sheet, text
from reports.leaderboard.report import Report
from zoo.errors import OutputError


@pytest.fixture(scope="module")
def report() -> Report:
    return with_budgets(make_report(200))


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report, tmp_path_factory.mktemp("excel"))


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
    columns = tuple(column for column in LEADERBOARD if column not in TRAINING)  # no step of training was counted
    assert_same(pd.concat(parts).sort_values("Model"), report.leaderboard.sort_values("model"), columns)
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

    assert count(write(with_budgets(make_report(20)), tmp_path)) == count(written)
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
