"""What the workbook says of configured budgets, of tasks with metrics of their own, and of several batches and variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from fakes_excel import leaderboard, make_report, read, with_budgets, write
from openpyxl.worksheet.worksheet import Worksheet

from reports.excel.budgets.configured_answers import BEST
from reports.leaderboard.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    """Classifiers at two batches, one of them in two variants, and networks for optical flow, where less is better."""
    classifiers = leaderboard(80)
    again = classifiers.assign(batch=8, macs=classifiers["macs"] * 8, on_frontier=False)
    flow = leaderboard(12, seed=3, accuracy=False, task="optical-flow").assign(batch=1)
    flow["sintel_train_clean_epe"] = pd.array([3.0 - step / 10 for step in range(12)], dtype="Float64")
    flow["on_frontier"] = pd.array([step in (2, 5) for step in range(12)], dtype="boolean")
    table = pd.concat([classifiers.assign(batch=1), again, flow], ignore_index=True).astype(classifiers.dtypes)
    return with_budgets(make_report(leaderboard=table))


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report, tmp_path_factory.mktemp("budgets"))


@pytest.fixture(scope="module")
def page(written: Path) -> Worksheet:
    return openpyxl.load_workbook(written)["Budgets"]


def block(page: Worksheet, name: str) -> list[list[Any]]:
    """The rows of a configured budget's answer, from column B on."""
    starts = [row for row in range(1, page.max_row + 1) if str(page.cell(row, 1).value).startswith("Budget ")]
    start = next(row for row in starts if page.cell(row, 1).value == f"Budget {name}")
    end = next((row for row in starts if row > start), page.max_row + 1)
    return [[page.cell(row, column).value for column in range(2, page.max_column + 1)] for row in range(start + 1, end)]


def table_under(rows: list[list[Any]], heading: str) -> list[dict[str, Any]]:
    place = next(row for row, cells in enumerate(rows) if cells[0] == heading)
    heads = [head for head in rows[place + 1] if head is not None]
    found = []
    for cells in rows[place + 2 :]:
        if not str(cells[0]).startswith(("timm/", "torchvision/")):
            break
        found.append(dict(zip(heads, cells, strict=False)))
    return found


@pytest.mark.parametrize("name", ["phone", "far*out"])
def test_a_configured_budget_has_its_limits_picks_and_misses(report: Report, page: Worksheet, name: str) -> None:
    answer = next(answer for answer in report.budgets if answer.name == name)
    selected, rows = answer.selection, block(page, name)
    limits = {cells[0]: cells[1:4] for cells in rows if cells[0] in answer.limits}
    assert limits == dict(zip(answer.limits, selected.counts[["beyond", "alone", "unknown"]].to_numpy().tolist(), strict=True))
    texts = [cells[0] for cells in rows]
    assert set(answer.reasons) | set(answer.relaxations) | set(answer.notes) <= set(texts)
    fitting, missing = (
        table_under(rows, heading) for heading in ("The best that fit", "Nearest misses that would be picked instead")
    )
    for found, models in ((fitting, selected.fitting[:BEST]), (missing, list(selected.misses))):
        wanted = selected.table.iloc[models]
        assert [row["Model"] for row in found] == wanted["model"].tolist()
        for column in answer.columns:
            assert [row[column.header] for row in found] == [None if pd.isna(v) else v for v in wanted[column.key]], column.key
    assert [row["Binding limit"] for row in missing] == selected.verdicts["binding"].iloc[list(selected.misses)].tolist()
    assert [row["Of budget"] for row in missing] == selected.verdicts["ratio"].iloc[list(selected.misses)].tolist()
    assert all(row["Of budget"] > 1 for row in missing)


def test_a_model_of_an_answer_leads_to_its_row(written: Path, page: Worksheet) -> None:
    models = [cell.value for cell in openpyxl.load_workbook(written)["Leaderboard"]["A"]]
    linked = [cell for cell in page["B"] if cell.hyperlink is not None]
    assert len(linked) > BEST
    for cell in linked:
        sheet, row = cell.hyperlink.location.split("!A")
        assert sheet == "'Leaderboard'"
        assert models[int(row) - 1] == cell.value


def test_a_budget_that_nothing_keeps_says_so(report: Report, page: Worksheet, written: Path) -> None:
    answer = next(answer for answer in report.budgets if answer.name == "nothing")
    assert answer.selection.pick is None
    assert answer.reasons[0] in [cells[0] for cells in block(page, "nothing")]
    summary = openpyxl.load_workbook(written)["Summary"]
    has_pick = {
        row[2].value: str(row[1].value).startswith(("timm/", "torchvision/"))
        for row in summary.iter_rows()
        if row[2].value in {answer.name for answer in report.budgets}
    }
    assert has_pick == {"phone": True, "far*out": True, "nothing": False}


def test_each_task_is_ranked_by_its_own_metric(written: Path, report: Report) -> None:
    found = read(written, "Leaderboard optical-flow")
    flow = report.leaderboard[report.leaderboard["task"] == "optical-flow"]
    assert found["Sintel train clean EPE (px)"].tolist() == sorted(flow["sintel_train_clean_epe"])
    assert found["Rank"].tolist() == list(range(1, len(flow) + 1))
    above = 2 + int(report.leaderboard["on_frontier"].sum()) - int(flow["on_frontier"].sum()) + 2
    steps = read(written, "Frontiers", above=above)
    assert steps["Model"].tolist() == flow[flow["on_frontier"]].sort_values("macs")["model"].tolist()
    assert "Top-1 (%)" not in steps.columns
    gain = -steps["Sintel train clean EPE (px)"].diff().iloc[1]
    assert steps["Gain (points)"].iloc[1] == pytest.approx(gain)


def test_a_limit_on_an_accuracy_concerns_the_task_that_has_it(written: Path) -> None:
    book = openpyxl.load_workbook(written)
    numbers = {"imagenet_top1": 1, "sintel_train_clean_epe": 2}
    for key, number in numbers.items():
        (place,) = book.defined_names[f"limit_{key}"].destinations
        assert str(book[place[0]][place[1]].value).startswith(f"=IF(AND(OR(task_choice={number}),")
    hints = [rule.prompt for rule in book["Summary"].data_validations.dataValidation if rule.prompt]
    assert any(hint.startswith("MACs, at most, in G. Known for 172 of 172 rows") for hint in hints)


def test_batch_is_a_column_where_there_are_several(written: Path, report: Report, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(written)
    heads = [cell.value for cell in book["Leaderboard"][1]]
    letter = openpyxl.utils.get_column_letter(heads.index("Batch") + 1)
    assert not book["Leaderboard"].column_dimensions[letter].hidden
    assert "Batch" in heads[: heads.index("MACs (G)")]
    single = openpyxl.load_workbook(write(make_report(20), tmp_path))["Leaderboard"]
    heads = [cell.value for cell in single[1]]
    assert heads.index("Batch") > heads.index("Binding limit")  # among the details that are folded away
    assert set(read(written, "Leaderboard")["Batch"]) == {1, 8} == set(report.leaderboard["batch"])
