"""Formats and parses quantities with units. Everywhere else amounts are exact integers; only this module and renderers round.

A MAC is one multiply-accumulate, two FLOPs. Amounts are MACs or FLOPs; rates are FLOP/s, always with the slash. K, M, G and T are
powers of 1000; Ki, Mi, Gi and Ti, for bytes only, are powers of 1024: 256KB is 256,000 bytes, 256KiB is 262,144.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from zoo.errors import UnitError

FLOPS_PER_MAC = 2

_DECIMAL_PREFIXES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"), (1, ""))


def format_amount(value: float | None, unit: str = "", *, digits: int = 2, like: float | None = None) -> str:
    """`4.09 GMACs` for (4_089_184_256, "MACs"), `25.56 M` for a plain number, and a dash for a missing one.

    Args:
        value: the amount; None or NaN if it is missing.
        unit: what it counts.
        digits: after the point; whole numbers without a prefix have none.
        like: an amount whose prefix is used, to make the two comparable: 670.73 KMACs, 1341.46 KFLOPs.
    """
    if value is None or value != value:
        return "–"
    size = abs(value if like is None else like)
    scale, prefix = next(((s, p) for s, p in _DECIMAL_PREFIXES if size >= s), (1, ""))
    number = f"{value / scale:.{0 if scale == 1 and float(value).is_integer() else digits}f}"
    return f"{number} {prefix}{unit}".rstrip()


def format_bytes(value: float | None, *, digits: int = 1) -> str:
    """`97.8 MB`, in decimal units as in data sheets."""
    return format_amount(value, "B", digits=digits)


def format_seconds(seconds: float) -> str:
    """`48 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that can be parsed from text."""

    name: str  # as in "is not {name}"
    example: str
    units: tuple[str, ...]  # spellings of the base unit, the usual one first
    prefixes: str = "KMGTP"  # for powers of 1000
    is_binary: bool = False  # whether Ki, Mi, … are allowed
    most: float | None = None
    least_plain: float = 0  # of a number without a unit: less is a mistake
    hint: str = ""  # a closing sentence about a common mistake

    def __str__(self) -> str:
        return self.name

    @property
    def pattern(self) -> str:
        """A regular expression, of JavaScript too, of the texts that `parse_quantity` reads; `most` and `least_plain` are not checked."""
        kilo = "k" if "K" in self.prefixes else ""
        prefix = f"[{self.prefixes}{kilo}]{'i?' if self.is_binary else ''}"
        units = "|".join(unit.replace("/", "\\/") for unit in self.units)
        return rf"^\s*(\d[\d_]*(\.\d+)?|\.\d+)([eE][+-]?\d{{1,2}})?\s*{f'({prefix})?' if self.prefixes else ''}({units})\s*$"


COUNT = Quantity("a number", "25M", ("",))
MACS = Quantity(
    "an amount of MACs", "0.6GMACs or 600M", ("MACs", "MAC", "macs", ""),
    hint=" FLOPs are not read: 1 MAC is 2 FLOPs, and many tables write FLOPs where they mean MACs.",
)  # fmt: skip
BYTES = Quantity(
    "an amount of bytes", "500MB, 256KiB (262,144 bytes) or 256KB (256,000)", ("B", "bytes", ""), is_binary=True, least_plain=1000
)
DURATION_MS = Quantity("a duration", "10ms, 0.5s or 800us", ("s",), prefixes="mu\u00b5\u03bcn", hint=" Name the unit.")
PERCENT = Quantity("a percentage", "80% or 80", ("%", "percent", ""), prefixes="", most=100)
IMAGES_PER_S = Quantity("a throughput", "1000/s or 1.5K/s (images per second)", ("/s", "img/s", "images/s", "fps", ""))
FLOPS_PER_S = Quantity("a rate of floating-point operations", "82.6 TFLOP/s", ("FLOP/s",), hint=" A rate has a slash.")
OPERATIONS_PER_S = Quantity("a rate of integer operations", "661 TOP/s", ("OP/s",), hint=" A rate has a slash.")
BYTES_PER_S = Quantity("a bandwidth", "1008 GB/s", ("B/s",))
HERTZ = Quantity("a frequency", "2.52 GHz", ("Hz",))
WATTS = Quantity("a power", "450 W", ("W",), prefixes="mK")

_NUMBER = re.compile(r"\s*(\d[\d_]*(?:\.\d+)?|\.\d+)(?:[eE]([+-]?\d{1,2}))?\s*(.*?)\s*", re.DOTALL)
_POWERS = {"n": -3, "u": -2, "\u00b5": -2, "\u03bc": -2, "m": -1, "": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_MS_PER_S = 1000
_LONGEST = 64
"""Characters of a quantity: with the largest exponent and prefix, it fits a float."""


def parse_quantity(text: str | float, kind: Quantity) -> float:
    """The amount in the base unit, or in milliseconds for durations. A plain number is allowed if a spelling of the unit is empty.

    Raises:
        UnitError: if the text is no such quantity.
    """
    if isinstance(text, bool) or len(str(text)) > _LONGEST or not (match := _NUMBER.fullmatch(str(text))):
        raise UnitError(_format_mistake(text, kind))
    digits, exponent, unit = match.groups()
    factor = _unit_factor(unit, kind)
    if factor is None:
        raise UnitError(_format_mistake(text, kind))
    value = Fraction(digits.replace("_", "")) * Fraction(10) ** int(exponent or 0) * factor
    if kind is DURATION_MS:
        value *= _MS_PER_S
    if not unit and 0 < value < kind.least_plain:
        raise UnitError(f"'{text}' needs a unit. Write {kind.example}.")
    if kind.most is not None and value > kind.most:
        raise UnitError(f"'{text}' is more than {kind.most:g}{kind.units[0]}. Write {kind.example}.")
    return float(value)


def _unit_factor(unit: str, kind: Quantity) -> Fraction | None:
    """The factor of a unit with its prefix; None if the quantity has no such unit."""
    for base in sorted(kind.units, key=len, reverse=True):
        if not unit.endswith(base):
            continue
        prefix = unit.removesuffix(base) if base else unit
        if kind.is_binary and len(prefix) == 2 and prefix[1] == "i" and prefix[0] in kind.prefixes:
            return Fraction(1024) ** _POWERS[prefix[0]]
        if prefix == "" or prefix in kind.prefixes or (prefix == "k" and "K" in kind.prefixes):
            return Fraction(1000) ** _POWERS[prefix]
    return None


def _format_mistake(text: object, kind: Quantity) -> str:
    return f"'{text}' is not {kind.name}. Write {kind.example}.{kind.hint}"
