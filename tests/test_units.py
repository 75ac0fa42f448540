from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import did_you_mean
from zoo.units import format_amount, format_bytes, format_seconds


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (4_089_184_256, "MACs", "4.09 GMACs"),
        (25_557_032, "", "25.56 M"),
        (999, "", "999"),
        (0, "MACs", "0 MACs"),
        (0.5, "", "0.50"),
        (-1_500, "", "-1.50 K"),
        (None, "MACs", "–"),
        (math.nan, "MACs", "–"),
    ],
)
def test_amounts_take_the_nearest_prefix_and_unknown_is_a_dash(value: float | None, unit: str, expected: str) -> None:
    assert format_amount(value, unit) == expected


def test_bytes_are_decimal_as_on_data_sheets() -> None:
    assert format_bytes(97_800_000) == "97.8 MB"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (48, "48 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_keep_two_units(seconds: float, expected: str) -> None:
    assert format_seconds(seconds) == expected


@given(st.integers(1, 10**15))
def test_a_prefix_never_leaves_a_number_below_one(value: int) -> None:
    assert float(format_amount(value, digits=6).split()[0]) >= 1


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("resnet5", ["resnet50", "vit"], " Did you mean resnet50?"),
        ("zzz", ["b", "a"], " Known: a, b."),
        ("zzz", [f"name{i}" for i in range(13)], ""),
        ("zzz", [], ""),
    ],
)
def test_a_wrong_name_gets_the_nearest_or_all_the_few_choices(name: str, choices: list[str], expected: str) -> None:
    assert did_you_mean(name, choices) == expected
