"""`zoometer plot`: real files, and that they show what `select` answers."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes_cache import Cache
from typer.testing import CliRunner

from reports import cli
from reports.api.answering import BudgetRequest, answer
from reports.config.budget_section import COSTS, DATASETS
from reports.plot.picture import draw
from reports.plot.points import MOST_FAMILIES, Points
from reports.plot.theme import Style

MODELS = {f"net{place}": (10 ** (7 + place % 4) * (1 + place), 50.0 + 3 * (place % 9)) for place in range(12)}
"""MACs and accuracy, without order."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plot")
    cache = Cache(folder / "cache")
    for place, (name, (macs, top1)) in enumerate(MODELS.items()):
        family = f"family{place % (MOST_FAMILIES + 2)}"
        cache.arch(name, family=family)
        cache.weights(name, "in1k", family=family)
        cache.cost(name, macs, params=macs // 100, weight_bytes=macs // 25, peak_activation_bytes=10**6)
        cache.accuracy(name, "in1k", top1)
    cache.report()
    budget = "budgets: {small: {macs: 1G, accuracy: 55, pareto: params}}"
    (folder / "zoometer.yaml").write_text(f"cache: {folder / 'cache'}\nzoos: {{timm: {{}}}}\n{budget}\n")
    return folder


@pytest.fixture(autouse=True)
def stay_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def zoometer(verb: str, *args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, [verb, *args])
    return result.exit_code, result.stdout, result.stderr


def points_of(cost: str = "macs", **options: Any) -> Points:
    found = answer(BudgetRequest(None, "cache", None, {**options, "pareto": [cost]}))
    return Points.of(found, COSTS[cost], DATASETS["imagenet-1k"])


def test_the_files_are_a_png_of_the_size_asked_for_and_an_svg_with_the_names_on_the_frontier(tmp_path: Path) -> None:
    png, svg = tmp_path / "new" / "a.png", tmp_path / "a.svg"
    code, out, err = zoometer("plot", "--out", str(png), "--out", str(svg), "--max-gmacs", "1", "--size", "1000x600")
    assert (code, out, err.splitlines()) == (0, "", [f"Wrote {png}", f"Wrote {svg}"])
    content = png.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1000, 600)
    texts = {element.text for element in ET.fromstring(svg.read_text()).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314 - our own file
    frontier = json.loads(zoometer("select", "--max-gmacs", "1", "--format", "json")[1])["frontier"]
    assert {row["model"].removeprefix("timm/").removesuffix(".in1k") for row in frontier} <= texts
    assert {"Top-1 against MACs", "MACs (G)", "Top-1 (%)", "MACs ≤ 1.00 G"} <= texts


def test_every_model_is_a_point_and_the_frontier_is_that_of_the_answer() -> None:
    figure = draw(points_of(macs="1G"), Style(1000, 600))
    (axes,) = figure.axes
    marks = {collection.get_gid(): np.asarray(collection.get_offsets()) for collection in axes.collections}
    frontier = marks.pop("frontier")
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections if c.get_gid() != "frontier"])
    expected = sorted((macs / 1e9, top1) for macs, top1 in MODELS.values())
    assert np.array(sorted(map(tuple, drawn.tolist()))) == pytest.approx(np.array(expected))
    fitting = [(macs / 1e9, top1) for macs, top1 in MODELS.values() if macs <= 10**9]
    best = [one for one in fitting if not any(x <= one[0] and y >= one[1] and (x, y) != one for x, y in fitting)]
    assert frontier.tolist() == [pytest.approx(list(point)) for point in sorted(best)]


def test_a_model_at_two_inputs_is_two_points_and_counted_once() -> None:
    points = points_of(macs="1G")
    twice = replace(points, rows=pd.concat([points.rows, points.rows.assign(input="3x288x288")], ignore_index=True))
    for drawn in (points, twice):
        title = draw(drawn, Style(1200, 675)).axes[0].get_title(loc="left")
        fitting = sum(macs <= 10**9 for macs, _ in MODELS.values())
        assert f"{fitting} of {len(MODELS)} models fit" in title


def test_the_steps_never_leave_what_is_reached_and_limits_are_dashed_at_their_place() -> None:
    (axes,) = draw(points_of(macs="1G", accuracy="55%"), Style(1000, 600)).axes
    (steps,) = [line for line in axes.lines if line.get_gid() == "steps"]
    x, y = np.asarray(steps.get_xdata()), np.asarray(steps.get_ydata())
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert ((np.diff(x) == 0) | (np.diff(y) == 0)).all()
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    places = {(float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0])) for line in dashed}
    assert places == {(1.0, 0.0), (0.0, 55.0)}  # each over the whole of the other axis


def test_the_most_frequent_families_have_colours_and_the_others_are_one() -> None:
    points = points_of()
    figure = draw(points, Style(1000, 600, is_dark=True))
    assert len(points.families) == MOST_FAMILIES
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*(f"{family} {1 + (family in ('family0', 'family1'))}" for family in points.families), "2 others 2"]
    assert figure.axes[0].get_facecolor()[:3] == pytest.approx(
        [int(Style(is_dark=True).theme.surface[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    )


def test_a_budget_of_the_configuration_says_the_cost_unless_it_is_named(tmp_path: Path) -> None:
    for options, title in (
        ((), "Top-1 against params"),
        (("--cost", "peak_memory"), "Top-1 against peak memory"),
        (("--title", "Ours"), "Ours"),
    ):
        path = tmp_path / "b.svg"
        code, _, err = zoometer("plot", "zoometer.yaml", "--budget", "small", "--out", str(path), *options)
        assert code == 0, err
        assert f">{title}<" in path.read_text()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--out", "a.gif"], "'a.gif' is neither a PNG nor an SVG"),
        (["--cost", "latncy"], "--cost: 'latncy' is not a cost. Did you mean latency?"),
        (["--size", "10x10"], "--size: '10x10' is not a size."),
        (["--accuracy", "none"], "A picture needs an accuracy"),
        (["--cost", "latency", "--device", "t4"], "There is nothing to draw: no model has both Latency and Top-1. No latency is"),
        (["--max-latency", "4ms", "--device", "t4"], "Latency ≤ 4.00 ms cannot be tested."),
    ],
)
def test_a_mistake_ends_with_code_2_and_writes_nothing(args: list[str], sentence: str, folder: Path) -> None:
    code, out, err = zoometer("plot", *args)
    assert (code, out) == (2, "")
    assert sentence in err
    assert not list(folder.glob("*.png"))


def test_only_this_verb_imports_matplotlib_and_no_window_is_opened(folder: Path) -> None:
    code = """
import contextlib, sys, reports.cli
for args in (["select", "--max-gmacs", "1"], ["plot", "--help"]):
    sys.argv = ["zoometer", *args]
    with contextlib.suppress(SystemExit):
        reports.cli.main()
    assert "matplotlib" not in sys.modules, args
sys.argv = ["zoometer", "plot", "--out", "only.svg"]
with contextlib.suppress(SystemExit):
    reports.cli.main()
assert "matplotlib.figure" in sys.modules and "matplotlib.pyplot" not in sys.modules and "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
