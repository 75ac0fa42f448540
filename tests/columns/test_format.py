"""Figures as text: the digits of a column, and three significant ones of speeds on every output."""

from __future__ import annotations

import pytest

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.columns.format import figure_text, value_text
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.excel.writer.styles import number_format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0345, "0.0345"),
        (0.691, "0.691"),
        (3.0, "3.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (34.8, "34.8"),
        (99.96, "100"),
        (348.0, "348"),
        (1447.2, "1,447"),
        (0.0, "0.00"),
    ],
)
def test_a_speed_has_three_significant_digits(value: float, text: str) -> None:
    assert figure_text(LATENCY, value) == text
    assert value_text(LATENCY, value) == f"{text} ms"
    assert figure_text(THROUGHPUT, value) == (text if value else "0")


def test_other_figures_have_the_digits_of_their_column() -> None:
    macs = LEADERBOARD_BY_KEY["macs"]
    assert [figure_text(macs, value * 1e9) for value in (348.0, 4.089, 0.0341)] == ["348.00", "4.09", "0.034"]


def test_a_sheet_has_at_least_those_of_speeds() -> None:
    assert number_format(LATENCY) == number_format(THROUGHPUT) == "[<0.09995]0.0000;[<9.995]0.000;#,##0.0"
