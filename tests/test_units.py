from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import units
from zoo.errors import UnitError, did_you_mean
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


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("25M", units.COUNT, 25 * 10**6),
        ("25_000_000", units.COUNT, 25 * 10**6),
        (6_000_000, units.COUNT, 6_000_000),
        ("0.6GMACs", units.MACS, 6 * 10**8),
        ("600M", units.MACS, 6 * 10**8),
        ("500MB", units.BYTES, 500 * 10**6),
        ("256KB", units.BYTES, 256 * 1000),
        ("256KiB", units.BYTES, 256 * 1024),
        ("1.5 GiB", units.BYTES, 3 * 2**29),
        ("10ms", units.DURATION_MS, 10),
        ("0.5 s", units.DURATION_MS, 500),
        ("800us", units.DURATION_MS, 0.8),
        ("800µs", units.DURATION_MS, 0.8),
        ("80%", units.PERCENT, 80),
        ("80", units.PERCENT, 80),
        ("1.5K/s", units.IMAGES_PER_S, 1500),
        ("82.6 TFLOP/s", units.FLOPS_PER_S, 826 * 10**11),
        ("661 TOP/s", units.OPERATIONS_PER_S, 661 * 10**12),
        ("1008 GB/s", units.BYTES_PER_S, 1008 * 10**9),
        ("2.52 GHz", units.HERTZ, 2520 * 10**6),
        ("450 W", units.WATTS, 450),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(text: str | float, kind: units.Quantity, expected: float) -> None:
    assert units.parse_quantity(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("10", units.DURATION_MS, "Name the unit"),
        ("25m", units.COUNT, "Write 25M"),  # milli of a count is never meant
        ("1.2GFLOPs", units.MACS, "1 MAC is 2 FLOPs"),
        ("500Mb", units.BYTES, "500MB"),  # megabits
        ("256Ki", units.COUNT, "Write 25M"),
        ("120%", units.PERCENT, "more than 100%"),
        ("82 TFLOPS", units.FLOPS_PER_S, "A rate has a slash"),
        *[(text, units.COUNT, "not a number") for text in ("", "-3", "nan", "inf", "1,000", "1e999", True, "5Q")],
    ],
)
def test_what_is_no_such_quantity_is_refused_with_what_would_be_one(text: str | float, kind: units.Quantity, hint: str) -> None:
    with pytest.raises(UnitError, match=f"'{text}' is.*{hint}"):
        units.parse_quantity(text, kind)


@pytest.mark.parametrize("text", ["5", 5, "0.5"])
def test_a_few_bytes_need_their_unit(text: str | float) -> None:
    with pytest.raises(UnitError, match=f"'{text}' needs a unit. Write 500MB"):
        units.parse_quantity(text, units.BYTES)
    assert units.parse_quantity("5B", units.BYTES) == 5
    assert units.parse_quantity(0, units.BYTES) == 0
    assert units.parse_quantity(5000, units.BYTES) == 5000


@pytest.mark.parametrize("kind", [kind for kind in vars(units).values() if isinstance(kind, units.Quantity)], ids=str)
def test_the_examples_in_the_errors_are_right(kind: units.Quantity) -> None:
    for example in kind.example.split(" (")[0].replace(" or ", ", ").split(", "):
        units.parse_quantity(example, kind)


@given(st.integers(0, 10**6), st.sampled_from("KMG"))
def test_decimal_fractions_are_exact(thousandths: int, prefix: str) -> None:
    power = {"K": 3, "M": 6, "G": 9}[prefix]
    assert units.parse_quantity(f"{thousandths // 1000}.{thousandths % 1000:03d}{prefix}B", units.BYTES) == thousandths * 10 ** (
        power - 3
    )


@pytest.mark.parametrize("text", ["9" * 4_000, "9" * 65 + "TB", "1" * 300 + "e99P"])
def test_an_amount_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"is not an amount of bytes"):
        units.parse_quantity(text, units.BYTES)


def test_the_longest_amount_that_is_read_is_finite() -> None:
    assert units.parse_quantity("9" * 59 + "e99PB", units.BYTES) == float(10**59 * 10**99 * 10**15)
