"""The speed on chosen devices in every report: joined to its rows, and shown by the page, the workbook and the exports."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from fakes_html import report_like, row_like
from fakes_html_browser import Visit

from reports import excel, exports
from reports.html.payload import build_payload
from reports.leaderboard.report import Report
from reports.leaderboard.speed_report import build_speed_reports, with_latencies
from reports.selection.speeds.candidate_speeds import SpeedSources
from zoo.devices.device import Device
from zoo.devices.device_names import find_device
from zoo.measurement.speed_tables import Speed
from zoo.run_config import Precision, RunConfig

CARD, BOARD = find_device("rtx-4090"), find_device("jetson-orin-nano")
RUNS = ((CARD, RunConfig(CARD.id, Precision.FP16, "nhwc")), (BOARD, RunConfig(BOARD.id)))
MEASURED_MS, MS_A_GMAC = 3.5, 2.0
ROWS = [
    row_like("net_a", "in1k", 224, family="net", macs=1_000_000_000, params=5_000_000, imagenet_top1=76.0),
    row_like("net_a", "again", 224, family="net", macs=1_000_000_000, params=5_000_000, imagenet_top1=75.0),
    row_like("net_a", "in1k", 288, family="net", macs=2_000_000_000, params=5_000_000, imagenet_top1=77.5),
    row_like("net_b", "in1k", 224, family="net", macs=4_000_000_000, params=20_000_000, imagenet_top1=81.25),
    row_like("net_c", None, 224, family="net", macs=None, params=1_000_000),
]


def by_macs(rows: pd.DataFrame) -> pd.DataFrame:
    """An estimator: two milliseconds a GMAC, nothing where the MACs are not known."""
    latency = MS_A_GMAC * rows["macs"].astype("Float64") / 1e9
    said = pd.Series("estimated, not calibrated", index=rows.index, dtype="string")
    return pd.DataFrame(
        {
            "latency_ms": latency,
            "latency_low_ms": latency / 2,
            "latency_high_ms": latency * 2,
            "latency_from": said.where(latency.notna(), "not estimated: its operations are not in the cache"),
        }
    )


def with_speeds(rows: list[dict[str, object]] = ROWS, *, runs: Sequence[tuple[Device, RunConfig]] = RUNS) -> Report:
    measured = Speed("timm", "net_a", "3x224x224", "base", CARD.id, "torch", "float16", "nhwc", False, 1, 1000 / MEASURED_MS, MEASURED_MS, None, "x", None)  # fmt: skip
    report = report_like(rows)
    table = pd.DataFrame([measured])
    speeds = build_speed_reports(report.leaderboard, [(run, SpeedSources(device, table, by_macs)) for device, run in runs])
    return dataclasses.replace(report, leaderboard=with_latencies(report.leaderboard, speeds), device_speeds=speeds)


REPORT = with_speeds()


def latencies(report: Report, place: int) -> dict[str, float | None]:
    table = report.leaderboard
    names = table["model"] + "@" + table["input"]
    values = table[report.latencies[place].key].tolist()
    return {name: None if pd.isna(value) else value for name, value in zip(names, values, strict=True)}


def test_a_measurement_comes_before_an_estimate_and_both_before_nothing() -> None:
    report = with_speeds()
    assert latencies(report, 0) == {
        "timm/net_a.in1k@3x224x224": MEASURED_MS,
        "timm/net_a.again@3x224x224": MEASURED_MS,  # other weights of the same network are as fast
        "timm/net_a.in1k@3x288x288": 2 * MS_A_GMAC,
        "timm/net_b.in1k@3x224x224": 4 * MS_A_GMAC,
        "timm/net_c@3x224x224": None,
    }
    assert latencies(report, 1)["timm/net_a.in1k@3x224x224"] == MS_A_GMAC  # measured on the other device
    known = report.speeds.set_index(["device", "arch", "input"])["latency_from"]
    assert known["rtx-4090", "net_a", "3x224x224"] == "measured"
    assert known["rtx-4090", "net_a", "3x288x288"] == "estimated, not calibrated"
    assert known["rtx-4090", "net_c", "3x224x224"].startswith("not estimated")
    assert not report.speeds.duplicated(["device", "zoo", "arch", "input"]).any()


def test_rows_of_the_leaderboard_stay_in_their_order() -> None:
    report = with_speeds()
    assert report.leaderboard["model"].tolist() == [row["model"] for row in ROWS]


def test_runs_on_one_device_are_told_apart() -> None:
    report = with_speeds(
        runs=[(CARD, RunConfig(CARD.id)), (CARD, RunConfig(CARD.id, Precision.FP16, "nhwc", compiled=True, batch=8))]
    )
    titles = [column.title for column in report.latencies]
    assert titles == ["Latency rtx-4090, float32, batch 1, nchw, eager", "Latency rtx-4090, float16, batch 8, nhwc, compiled"]
    assert len({column.key for column in report.latencies}) == 2
    assert len({column.export_name for column in report.latencies}) == 2


def test_runs_that_are_the_same_in_the_runtime_of_their_answers_are_reported_once() -> None:
    report = report_like(ROWS)
    sources = SpeedSources(CARD, None, by_macs, runtime="torch")
    named, other = RunConfig(CARD.id, runtime="Torch"), RunConfig(CARD.id, runtime="tflite")
    (speed,) = build_speed_reports(report.leaderboard, [(run, sources) for run in (RunConfig(CARD.id), named)])
    assert speed.latency.title == "Latency rtx-4090"
    speeds = build_speed_reports(report.leaderboard, [(run, sources) for run in (RunConfig(CARD.id), named, other)])
    assert [speed.run.runtime for speed in speeds] == ["torch", "tflite"]
    assert len({speed.latency.title for speed in speeds}) == 2


def test_the_page_gets_latencies_as_a_cost_and_a_limit() -> None:
    report = with_speeds()
    payload = build_payload(report)
    keys = [column.key for column in report.latencies]
    assert payload["limits"][-2:] == keys
    assert set(keys) <= set(payload["costs"])
    speed = payload["speeds"][0]
    assert speed["device"] == CARD.name
    interval = list(zip(speed["values"]["latency_low_ms"], speed["values"]["latency_high_ms"], strict=True))
    assert interval[2:4] == [(MS_A_GMAC, 4 * MS_A_GMAC), (2 * MS_A_GMAC, 8 * MS_A_GMAC)]
    assert interval[0] == (None, None)  # a measurement has none


def test_exports_hold_each_run_in_rows_of_its_own(tmp_path: Path) -> None:
    report = with_speeds()
    path = tmp_path / "report.json"
    exports.write_json(report, path)
    speeds = json.loads(path.read_text())["speeds"]
    assert len(speeds) == 2 * 4  # two runs; two weights share their network
    found = {(row["device"], row["arch"], row["input"]): row["latency_ms"] for row in speeds}
    assert found["jetson-orin-nano", "net_b", "3x224x224"] == 4 * MS_A_GMAC
    assert found["jetson-orin-nano", "net_c", "3x224x224"] is None


def test_the_workbook_has_a_column_a_limit_and_a_sheet(tmp_path: Path) -> None:
    report = with_speeds()
    path = tmp_path / "report.xlsx"
    excel.write(report, path)
    book = openpyxl.load_workbook(path)
    head = [cell.value for cell in book["Leaderboard"][1]]
    column = head.index("Latency rtx-4090 (ms)")
    by_model = {(row[head.index("Model")], row[head.index("Input")]): row[column] for row in book["Leaderboard"].iter_rows(min_row=2, values_only=True)}  # fmt: skip
    assert by_model["timm/net_b.in1k", "3x224x224"] == 4 * MS_A_GMAC
    assert by_model["timm/net_c", "3x224x224"] is None
    assert f"limit_{report.latencies[0].key}" in book.defined_names
    speed = [cell.value for cell in book["Speed"][1]]
    assert speed[0] == "Architecture"
    assert book["Speed"].max_row - 1 == len(report.speeds)
    about = {str(row[0]): str(row[1]) for row in book["About"].iter_rows(values_only=True) if row[0]}
    for of in report.device_speeds:
        assert about[of.device.name].startswith(f"{of.run.describe()}. ")


@pytest.mark.browser
def test_a_limit_on_latency_filters_and_the_drawer_says_how_speed_is_known(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.fill(f"#max-{REPORT.latencies[0].key}", "4")
    at.until("document.getElementById('count-fitting').textContent === '3'")
    at.page.locator("#board button.open[title='timm/net_a.in1k']").first.click()
    table = at.page.locator("#drawer [aria-label='Speed on each device'] tbody tr")
    words = [row.locator("td, th").all_inner_texts() for row in table.all()]
    assert [cells[0].splitlines()[0] for cells in words] == [CARD.name, BOARD.name]
    assert {cells[-1] for cells in words} <= {"measured", "estimated, not calibrated"}
    assert "[object" not in at.text("#drawer")
    at.page.locator("#drawer .close").click()
    at.page.select_option("#choose-cost", REPORT.latencies[0].key)
    at.settle()
    assert at.text("#count-fitting") == "3"
