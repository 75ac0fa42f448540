"""The chart of steps: round ticks around the values, steps where they belong, gaps where nothing fits, names apart."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.html.trends import chart
from reports.html.trends.chart import NARROW, WIDE, Line, Stop, draw, nice_ticks

STOPS = [Stop(("one",)), Stop(("two",), "lib 2.0"), Stop(("three",))]


def line(*values: float | None, title: str = "a budget", names: tuple[str, ...] = ("m", "n", "o")) -> Line:
    return Line(title, values, names, tuple("–" if value is None else f"{value:.2f} %" for value in values))


def paths(svg: str) -> list[str]:
    return re.findall(r'<path class="line"[^>]* d="([^"]*)"', svg)


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_ticks_are_even_and_enclose_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6
    assert ticks[-1] >= high - 1e-6
    assert 2 <= len(ticks) <= chart._MOST_TICKS + 2
    assert [b - a for a, b in itertools.pairwise(ticks)] == pytest.approx([step] * (len(ticks) - 1))


def test_a_value_holds_until_the_run_that_changes_it() -> None:
    (path,) = paths(draw([line(10.0, 10.0, 20.0)], STOPS, "t", WIDE))
    width = WIDE.width - WIDE.left - WIDE.right - chart._INSET
    first, third = WIDE.left + chart._INSET, round(WIDE.left + chart._INSET + 2 * width / 3, 1)
    assert path == f"M{float(first)} {WIDE.bottom:.1f}H{third}V{float(WIDE.top)}H{float(WIDE.width - WIDE.right)}"


def test_where_nothing_fits_there_is_a_gap() -> None:
    (path,) = paths(draw([line(10.0, None, 20.0)], STOPS, "t", NARROW))
    assert path.count("M") == 2
    (path,) = paths(draw([line(None, 10.0, None)], STOPS, "t", NARROW))
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+", path)


def test_a_chart_in_which_nothing_fits_has_its_frame() -> None:
    svg = draw([line(None, None, None)], STOPS, "t", WIDE)
    assert svg.startswith("<svg")
    assert not any(paths(svg))


def test_a_dot_marks_each_run_at_which_another_model_took_over() -> None:
    svg = draw([line(10.0, 10.0, 20.0, names=("m", "m", "n"))], STOPS, "t", WIDE)
    assert re.findall("<title>(.*?)</title>", svg) == ["a budget: m, 10.00 %", "a budget: n, 20.00 %"]
    assert draw([line(10.0, 10.0, 20.0, names=("m", "m", "n"))], STOPS, "t", NARROW).count("<circle") == 2


def test_names_of_lines_that_end_together_do_not_overlap() -> None:
    lines = [line(10.0, 10.0, 10.0 + n / 1000, title=f"budget {n}") for n in range(9)]
    svg = draw([*lines, line(0.0, 0.0, 60.0)], STOPS, "t", WIDE)
    places = sorted(float(y) for y in re.findall(r'y="([\d.]+)">(?:a )?budget', svg))
    assert len(places) == 10
    assert min(b - a for a, b in itertools.pairwise(places)) >= chart._LABEL_GAP - 0.01
    assert places[-1] <= WIDE.bottom + chart._LABEL_GAP


def test_text_is_escaped() -> None:
    svg = draw([line(1.0, 2.0, 3.0, title="<b>&", names=('"x"', "<i>", "o"))], STOPS, '"><script>', WIDE)
    assert "<b>" not in svg
    assert "<script>" not in svg
    assert "<i>" not in svg
    assert "&lt;b&gt;&amp;: &lt;i&gt;" in svg


def test_a_release_is_marked_where_it_began() -> None:
    svg = draw([line(1.0, 2.0, 3.0)], STOPS, "t", WIDE)
    (place,) = re.findall(r'<path class="mark" d="M([\d.]+)', svg)
    assert float(place) == pytest.approx(chart._x(1, 3, WIDE))
    assert "lib 2.0" in svg


def test_a_long_name_is_cut_beside_its_line_and_whole_in_its_dot() -> None:
    name = "a budget whose name is long"
    svg = draw([line(1.0, 2.0, 3.0, title=name)], STOPS, "t", WIDE)
    assert f">{name[: chart._LONGEST_NAME - 1]}…  3.00 %</text>" in svg
    assert f"<title>{name}: m, 1.00 %</title>" in svg
