"""Whether a published model is one of ours, by figures as they are printed."""

from __future__ import annotations

import pytest
from match_checks import TOLERANCE, Ours, check_match, read_figure

from zoo.published.published import Check

OURS = Ours(params=10_000_000, macs=1_000_000_000, operations=2_200_000_000)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("12.42M", 12.415e6, 12.425e6),  # half a unit of the last digit
        ("878K", 877.5e3, 878.5e3),
        ("29.0M", 28.5e6, 29.5e6),  # a zero at the end may be filled in
        ("5.445G (OPS/2)", 5.4425e9, 5.4475e9),  # 10.89 G operations were printed
        ("0.310G (OPS/2)", 0.3075e9, 0.3125e9),  # 0.62 G operations
        (60965224, 60965224, 60965224),
    ],
)
def test_a_printed_figure_is_all_that_round_to_it(text: str | int, low: float, high: float) -> None:
    figure = read_figure(text)
    assert figure
    assert (figure.low, figure.high) == pytest.approx((low, high))


@pytest.mark.parametrize("text", [None, "", "nanM", "nanG (OPS/2)", "many"])
def test_what_is_not_printed_is_no_figure(text: str | None) -> None:
    assert read_figure(text) is None


@pytest.mark.parametrize(
    ("params", "macs", "check"),
    [
        ("10.19M", "1.019G", Check.FIGURES),
        ("10.19M", None, Check.PARAMS),
        ("10.21M", "1.019G", Check.NONE),  # 10.205 M rounds to it, 2.05 % more than ours
        ("9.81M", "1.11G", Check.FIGURES),  # beyond our multiply-accumulates, within all our operations, halved
        ("9.81M", "1.13G", Check.NONE),
        ("9.81M", "0.97G", Check.NONE),
        ("10M", "1.01G", Check.MACS),  # printed to a million: no confirmation
        ("10M", None, Check.NAME),
        ("9M", None, Check.NONE),  # 9.5 M rounds to it, still 5 % less than ours
        (None, None, Check.NAME),
    ],
)
def test_a_match_is_checked_by_what_is_printed_finely_enough(params: str | None, macs: str | None, check: Check) -> None:
    found, reason = check_match(read_figure(params), read_figure(macs), OURS)
    assert found == check
    assert (reason is None) == (check != Check.NONE)


def test_the_edge_of_the_tolerance_is_where_the_nearest_value_that_rounds_to_it_is() -> None:
    edge = OURS.params * (1 + TOLERANCE) / 1e6  # 10.2 M
    half = 0.005
    for printed, check in ((edge + half - 0.001, Check.PARAMS), (edge + half + 0.011, Check.NONE)):
        assert check_match(read_figure(f"{printed:.2f}M"), None, OURS)[0] == check
