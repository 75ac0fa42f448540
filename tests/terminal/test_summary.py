from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from reports.leaderboard.report import Report
from reports.terminal.console import make_console, print_table
from reports.terminal.run_summary import CommandOutcome, most_efficient, print_summary, summary_record
from zoo.jobs import RunSummary


def shown(outcome: CommandOutcome, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_summary(console, outcome)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def summary() -> RunSummary:
    return RunSummary("r1", planned=1200, counted=150, failed=1, seconds=185.2, versions="timm 1.0.31")


def test_the_most_efficient_are_frontier_models_with_most_accuracy_per_mac_first(report: Report) -> None:
    models = most_efficient(report.leaderboard)
    assert [tuple(model[name] for name in ("model", "input", "top1", "macs", "params")) for model in models] == [
        ("timm/small.in1k", "3x224x224", 70.0, 350_000_000, 2_000_000),
        ("timm/large.in1k", "3x384x384", 85.0, 17_000_000_000, 90_000_000),
    ]
    assert [model["top1_per_gmac"] for model in models] == pytest.approx([70 / 0.35, 85 / 17])


def test_the_most_efficient_are_cut_off(report: Report) -> None:
    assert [model["model"] for model in most_efficient(report.leaderboard, most=1)] == ["timm/small.in1k"]


def test_a_model_without_accuracy_or_macs_is_never_efficient(report: Report) -> None:
    table = report.leaderboard.assign(imagenet_top1=None, on_frontier=True)
    assert most_efficient(table) == []


def test_the_summary_says_every_figure_and_where_to_read_why(report: Report, summary: RunSummary) -> None:
    said = shown(CommandOutcome("cache/", summary, 190.4, report, (), report.warnings)).splitlines()
    figures = {words[0]: words[1] for words in (line.split() for line in said) if len(words) > 1}
    assert {name: figures[name] for name in ("planned", "counted", "reused", "bounded", "failed")} == {
        "planned": "1,200",
        "counted": "150",
        "reused": "1,049",  # planned - counted - failed in this run
        "bounded": "0",
        "failed": "1",  # of the whole report, whichever run it failed in
    }
    assert said[1] == "Done in 3 min 10 s  timm 1.0.31"
    assert "  Why: section Coverage of the report, or column `reason` of cache/costs." in said
    assert "! timm's accuracy is missing: give a path as accuracy.timm.results." in said


@pytest.mark.parametrize("width", [80, 200])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_lost(report: Report, summary: RunSummary, width: int) -> None:
    table = report.leaderboard.assign(model=report.leaderboard["model"].str.replace("in1k", "x" * 50))
    said = shown(CommandOutcome("cache/", summary, 1.0, dataclasses.replace(report, leaderboard=table)), width)
    assert max(map(len, said.splitlines())) <= width
    assert said.count("x") >= 2 * 50 + len(["3x224x224", "3x384x384"]) * 2


def test_a_run_without_failures_gives_no_reason(report: Report, summary: RunSummary) -> None:
    well = dataclasses.replace(report, totals=dataclasses.replace(report.totals, failed=0))
    assert "Why" not in shown(CommandOutcome("cache/", summary, 1.0, well))


def test_an_interrupted_run_says_so(summary: RunSummary) -> None:
    summary.interrupted = True
    assert "Interrupted after 3 min 05 s" in shown(CommandOutcome("cache/", summary))


def test_an_empty_frontier_is_said_in_words(report: Report) -> None:
    nothing = dataclasses.replace(report, leaderboard=report.leaderboard.iloc[:0])
    assert "No frontier of classifiers: none has both an accuracy and a cost." in shown(CommandOutcome("cache/", report=nothing))


def test_files_are_listed_with_their_sizes(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.html"
    file.write_bytes(bytes(1_500_000))
    assert f"{file}  1.5 MB" in shown(CommandOutcome("cache/", files=(file,)))


def test_the_record_for_programs_is_exact_and_serialisable(report: Report, summary: RunSummary, tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    file.write_bytes(b"abc")
    record = json.loads(json.dumps(summary_record(CommandOutcome("cache/", summary, 190.4, report, (file,), ("careful",)), 3)))
    assert (record["exit_code"], record["planned"], record["reused"]) == (3, 1200, 1049)
    assert (record["seconds"], record["counting_seconds"]) == (190.4, 185.2)
    assert record["totals"]["failed"] == 1
    assert record["files"] == [{"path": str(file), "bytes": 3}]
    assert record["warnings"] == ["careful"]
    assert [pick["macs"] for pick in record["frontier"]] == [350_000_000, 17_000_000_000]


def test_colours_are_left_out_of_pipes_and_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, summary: RunSummary
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    print_summary(console, CommandOutcome("cache/", summary))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[3" not in console.file.getvalue()
    pipe = io.StringIO()
    print_summary(make_console(pipe), CommandOutcome("cache/", summary))
    assert "\x1b" not in pipe.getvalue()


def test_a_table_in_a_pipe_breaks_no_row() -> None:
    pipe = io.StringIO()
    print_table(make_console(pipe), ("model", "input"), [("timm/" + "x" * 100, "3x224x224")], right=("input",))
    assert len(pipe.getvalue().splitlines()) == len(["header", "rule", "row"])


def test_a_long_name_is_folded_before_a_figure_is_left_out() -> None:
    console = Console(file=io.StringIO(), width=60)
    name = "timm/" + "x" * 60
    print_table(console, ("model", "input", "Top-1 (%)"), [(name, "3x224x224", "86.20")], right=("Top-1 (%)",))
    assert isinstance(console.file, io.StringIO)
    header, _, *lines = console.file.getvalue().splitlines()
    assert header.split() == ["model", "input", "Top-1", "(%)"]
    assert lines[0].split()[1:] == ["3x224x224", "86.20"]
    assert "".join(line.split()[0] for line in lines) == name


@pytest.mark.parametrize(
    ("width", "shown"), [(80, ["model", "input", "task"]), (22, ["model", "input"]), (5, ["model", "input"])]
)
def test_a_narrow_terminal_leaves_out_the_last_columns_first(width: int, shown: list[str]) -> None:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, ("model", "input", "task"), [("timm/vit", "3x224x224", "video")], right=("input",))
    assert isinstance(console.file, io.StringIO)
    if width > 20:
        assert console.file.getvalue().splitlines()[0].split() == shown
    else:
        assert "video" not in console.file.getvalue()
