"""The cells of device and precision on the first sheet: in a real spreadsheet program, every formula gives the report's latencies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pandas as pd
import pytest
from fakes_excel import BUDGETS, Convert, make_report, read

from reports import excel
from reports.columns.format import figure_text
from reports.columns.limits import Limit
from reports.config.budget_section import BudgetSection
from reports.excel.budgets import device_codes, limit_cells
from reports.excel.budgets.device_cells import LATENCY, NO_DEVICE, latency_text
from reports.excel.budgets.limits_and_formulas import COSTS
from reports.leaderboard.report import ORIGINS, DeviceLatencies, Report
from reports.selection.budget_answer import answer_budget
from reports.selection.selection import select_models
from reports.selection.speeds.candidate_speeds import SpeedSources
from reports.selection.speeds.estimate_rounding import round_estimates
from reports.selection.uses import USES, Use
from zoo.devices.device_names import find_device
from zoo.run_config import Precision, RunConfig

ENTRY = limit_cells.ENTRY + 1
MODEL = ["zoo", "arch", "input", "classes", "variant"]
FP16, INT8 = RunConfig(precision=Precision.FP16), RunConfig(precision=Precision.INT8)
LIMIT_MS = 8.0
CLOUD = next(use for use in USES if use.title == "Cloud GPU")


class Typed(NamedTuple):
    """What a reader typed into the sheet."""

    device: str | None = None
    precision: str | None = None
    latency_ms: float | None = None
    use: Use | None = None  # chosen to start from


TYPED: Mapping[str, Typed] = {
    "as written": Typed(),
    "a limit": Typed("NVIDIA T4", "float16", LIMIT_MS),
    "no limit": Typed("Samsung Galaxy S24", "int8"),
    "a precision without latencies": Typed("NVIDIA T4", "int8", LIMIT_MS),
    "no device": Typed(NO_DEVICE, "", LIMIT_MS),
    "no precision": Typed("NVIDIA T4", None, LIMIT_MS),
    "a use": Typed(None, None, CLOUD.latency_ms, CLOUD),
}


def latencies(report: Report, device: str, run: RunConfig, seed: int, **more: Any) -> DeviceLatencies:
    """Estimates of most models, a fifth of them published with more digits, and a tenth unknown."""
    random = np.random.default_rng(seed)
    model = report.leaderboard.groupby(MODEL, sort=False, dropna=False).ngroup().to_numpy()
    exact = np.exp(random.normal(2, 2, model.max() + 1))
    latency_ms, low_ms, high_ms = round_estimates(exact, exact * np.exp(random.random(len(exact))))
    origin = random.choice([-1, *range(len(ORIGINS))], len(exact), p=[0.1, 0.05, 0.15, 0.7])
    is_exact = (origin >= 0) & (origin < ORIGINS.index("estimated"))
    latency_ms = np.where(origin < 0, np.nan, np.where(is_exact, [float(f"{value:.4g}") for value in exact], latency_ms))
    low_ms, high_ms = (np.where(origin == ORIGINS.index("estimated"), end, np.nan) for end in (low_ms, high_ms))
    figures = (latency_ms[model], low_ms[model], high_ms[model], origin[model].astype(np.int8))
    return DeviceLatencies(find_device(device), run, *figures, **more)


def with_devices(report: Report) -> Report:
    known = (
        latencies(report, "t4", FP16, 1),
        latencies(report, "t4", dataclasses.replace(FP16, layout="nhwc"), 2),
        latencies(report, "galaxy-s24", FP16, 3, is_on_platform=True),
        latencies(report, "galaxy-s24", INT8, 4, is_on_platform=True),
        latencies(report, "hailo-8", INT8, 5, is_on_platform=True),
    )
    budget = BudgetSection.model_validate({"device": "s24", "dtype": "float32", "latency": f"{LIMIT_MS} ms", "macs": "5G"})
    sources = SpeedSources(find_device("galaxy-s24"))
    budgets = {"on the phone": (budget, sources), "phone": (BUDGETS["phone"], None)}
    answers = tuple(answer_budget(report.leaderboard, one, of, name) for name, (one, of) in budgets.items())
    return dataclasses.replace(report, device_latencies=known, budgets=answers)


@pytest.fixture(scope="module")
def report() -> Report:
    return with_devices(make_report(120))


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("devices") / "leaderboard.xlsx"
    excel.write(report, path)
    return path


def chosen(report: Report, name: str) -> DeviceLatencies | None:
    """What is chosen in a workbook: at first, as its first budget has it."""
    written = Typed("Samsung Galaxy S24", "float32 or float16")
    meant = {"as written": written, "a use": Typed("NVIDIA T4", "float16"), "no precision": Typed("NVIDIA T4", "float16")}
    typed = meant.get(name, TYPED[name])
    return next((one for one in report.device_latencies if (one.device.name, one.title) == typed[:2]), None)


@pytest.fixture(scope="module")
def recalculated(convert: Convert, written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, openpyxl.Workbook]:
    """The workbook after LibreOffice worked out every formula, as written and with other devices chosen."""
    folder = tmp_path_factory.mktemp("office")
    for name, typed in TYPED.items():
        book = openpyxl.load_workbook(written)
        page = book["Summary"]
        if typed.use is not None:
            page.cell(limit_cells.START_ROW + 1, ENTRY).value = typed.use.title
        elif typed.device is not None:
            page.cell(limit_cells.DEVICE_ROW + 1, ENTRY).value = typed.device
            if typed.precision is not None:
                page.cell(limit_cells.PRECISION_ROW + 1, ENTRY).value = typed.precision
            for row in range(limit_cells.ACCURACY_ROW + 1, limit_cells.FIRST_LIMIT + 1 + len(COSTS) + 1):
                is_latency = page.cell(row, 1).value == "Latency, at most"
                page.cell(row, ENTRY).value = typed.latency_ms if is_latency else None
        book.save(folder / f"{name}.xlsx")
    convert("xlsx", folder / "out", [folder / f"{name}.xlsx" for name in TYPED])
    return {name: openpyxl.load_workbook(folder / "out" / f"{name}.xlsx", data_only=True) for name in TYPED}


def table(book: openpyxl.Workbook) -> dict[str, list[Any]]:
    """The columns of the leaderboard, None for an empty cell."""
    heads, *rows = book["Leaderboard"].iter_rows(values_only=True)
    return {str(head): [row[place] or None for row in rows] for place, head in enumerate(heads)}


def by_model(report: Report, values: Any) -> dict[tuple[str, str], Any]:
    names = zip(report.leaderboard["model"], report.leaderboard["input"], strict=True)
    return dict(zip(names, values, strict=True))


def shown(found: dict[str, list[Any]], column: str) -> dict[tuple[str, str], Any]:
    return dict(zip(zip(found["Model"], found["Input"], strict=True), found[column], strict=True))


@pytest.mark.parametrize("name", list(TYPED))
@pytest.mark.office
@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_every_row_has_its_latency_and_its_verdict(recalculated: dict[str, openpyxl.Workbook], report: Report, name: str) -> None:
    found, one = table(recalculated[name]), chosen(report, name)
    latency_ms = one.latency_ms if one else np.full(len(report.leaderboard), np.nan)
    wanted = by_model(report, latency_ms)
    known = {key: value for key, value in shown(found, "Latency (ms)").items() if value is not None}
    assert known == pytest.approx({key: value for key, value in wanted.items() if not np.isnan(value)}, rel=1e-12)
    rows = report.leaderboard.assign(**{LATENCY.key: pd.array(latency_ms, dtype="Float64")})
    limit_ms = LIMIT_MS if name == "as written" else TYPED[name].latency_ms
    limits = [Limit(LATENCY, limit_ms)] if limit_ms else []
    macs = next(limit.column for limit in report.budgets[0].selection.limits if limit.column.key == "macs")
    limits += [Limit(macs, 5e9)] if name == "as written" else []
    verdicts = select_models(rows, limits, [macs]).verdicts
    assert shown(found, "Budget") == by_model(report, verdicts["state"])


@pytest.mark.office
@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_each_latency_says_how_it_is_known(recalculated: dict[str, openpyxl.Workbook], report: Report) -> None:
    one = chosen(report, "a limit")
    assert one is not None
    words = []
    for origin, low_ms, high_ms in zip(one.origin, one.low_ms, one.high_ms, strict=True):
        words.append(None if origin < 0 else (ORIGINS[origin], low_ms, high_ms))
    for key, text in shown(table(recalculated["a limit"]), "Latency is").items():
        wanted = by_model(report, words)[key]
        assert (text is None) == (wanted is None)
        if wanted is not None:
            origin, low_ms, high_ms = wanted
            assert str(text).startswith(origin)
            if origin == "estimated":
                low, high = (
                    float(part)
                    for part in str(text).replace(",", "").removeprefix("estimated ").removesuffix(" ms").split(" to ")
                )
                assert (low, high) == pytest.approx((low_ms, high_ms), rel=0.01, abs=0.006)


@pytest.mark.office
@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_a_choice_that_gives_nothing_says_so(recalculated: dict[str, openpyxl.Workbook]) -> None:
    def said(name: str) -> list[str]:
        texts = [str(cell.value) for cell in recalculated[name]["Summary"]["B"]]
        return [text[text.index("Choose a ") :] for text in texts if "Choose a " in text]

    assert said("a precision without latencies") == ["Choose a precision of the list: none is known in this one."]
    assert said("no device") == ["Choose a device to see latencies."]
    assert said("a limit") == said("a use") == said("no precision") == []


@pytest.mark.parametrize("name", list(TYPED))
@pytest.mark.office
@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_the_memory_of_a_chosen_device_is_said_not_to_be_a_limit(recalculated: dict[str, openpyxl.Workbook], name: str) -> None:
    texts = [str(cell.value) for cell in recalculated[name]["Summary"]["B"]]
    assert any("The memory of the device is not a limit here." in text for text in texts) == (name != "no device")


@pytest.mark.office
def test_ends_of_intervals_are_rounded_before_their_digits_are_counted(convert: Convert, tmp_path: Path) -> None:
    book, values = openpyxl.Workbook(), (0.0345, 0.09996, 0.691, 0.9996, 3.0, 9.994, 9.996, 34.8, 99.96, 348.0, 999.6, 1447.2)
    for row, value in enumerate(values, start=1):
        book.worksheets[0].cell(row, 1).value = value
        book.worksheets[0].cell(row, 2).value = f"={latency_text(f'A{row}')}"
    book.save(tmp_path / "ends.xlsx")
    convert("xlsx", tmp_path / "out", [tmp_path / "ends.xlsx"])
    page = openpyxl.load_workbook(tmp_path / "out" / "ends.xlsx", data_only=True).worksheets[0]
    assert [cell.value for cell in page["B"]] == [figure_text(LATENCY, value) for value in values]


@pytest.mark.parametrize("name", ["as written", "a limit", "a use"])
@pytest.mark.office
@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_the_latency_of_the_pick_says_how_it_is_known(recalculated: dict[str, openpyxl.Workbook], name: str) -> None:
    found = table(recalculated[name])
    pick = min((rank, row) for row, rank in enumerate(found["Rank"]) if rank and found["Budget"][row] == "fits")[1]
    page = recalculated[name]["Summary"]
    labels = {str(page.cell(row, 1).value): row for row in range(1, page.max_row)}
    assert page.cell(labels["Pick"], 2).value == found["Model"][pick]
    message = str(page.cell(labels["Pick"] - 2, 2).value)
    assert message.endswith(f"Latency of the pick: {found['Latency is'][pick]}.")


def test_the_workbook_starts_with_the_device_of_its_first_budget(written: Path, report: Report) -> None:
    one = chosen(report, "as written")
    assert one is not None
    found = read(written, "Leaderboard")
    wanted = by_model(report, one.latency_ms)
    keys = zip(found["Model"], found["Input"], strict=True)
    assert found["Latency (ms)"].tolist() == pytest.approx([wanted[key] for key in keys], nan_ok=True)


def test_devices_stand_in_a_hidden_sheet_and_are_lists_to_choose_from(written: Path, report: Report) -> None:
    book = openpyxl.load_workbook(written)
    assert book["Latencies"].sheet_state == "hidden"
    names = [cell.value for cell in book["Latencies"]["B"]][1:]
    assert [name for name in names if name] == [NO_DEVICE, "NVIDIA T4", "Samsung Galaxy S24", "Hailo-8"]
    lists = {str(rule.sqref): rule.formula1 for rule in book["Summary"].data_validations.dataValidation if rule.type == "list"}
    assert lists[f"C{limit_cells.DEVICE_ROW + 1}"] == "device_names"
    assert book.defined_names["device_names"].attr_text.startswith("'Latencies'!$B$2:$B$")
    assert "OFFSET" in lists[f"C{limit_cells.PRECISION_ROW + 1}"]


@pytest.mark.parametrize("latency_ms", [0.0012, 0.235, 1.0, 9.9996, 16.0574, 605.3, 98_700.0])
def test_a_latency_is_four_digits_and_an_exponent(latency_ms: float) -> None:
    unknown = np.array([np.nan])
    one = DeviceLatencies(find_device("t4"), FP16, np.array([latency_ms]), unknown, unknown, np.array([1], np.int8))
    (text,) = device_codes.encode([one], np.array([0]))
    assert float(text[: device_codes.NUMBER]) == float(f"{latency_ms:.4g}")
    assert text[device_codes.NUMBER :] == "p."


def test_without_any_latency_there_is_no_device_to_choose(tmp_path: Path) -> None:
    excel.write(make_report(20), tmp_path / "plain.xlsx")
    book = openpyxl.load_workbook(tmp_path / "plain.xlsx")
    assert "Latencies" not in book.sheetnames
    assert book["Summary"].cell(limit_cells.DEVICE_ROW + 1, ENTRY).value is None
