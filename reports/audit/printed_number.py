"""Numbers of a published table, with exactly the precision they were printed in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?")


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A number as printed: every exact value from `low` to `high` rounds to it."""

    text: str
    low: Fraction
    high: Fraction

    @classmethod
    def parse(cls, text: str, *, scale: int = 1, decimals: int | None = None) -> PrintedNumber:
        """Reads a number; its interval is half a unit of the last digit to each side.

        Args:
            text: the number; commas may separate thousands.
            scale: factor of the column's unit: 10**9 for a column in GMACs.
            decimals: digits after the point that the table prints, where the text lost trailing zeros.

        Raises:
            ValueError: if the text is no number.
        """
        digits = text.strip().replace(",", "")
        if not _NUMBER.fullmatch(digits):
            raise ValueError(f"'{text}' is no number")
        value = Fraction(digits)
        printed = len(digits.partition(".")[2]) if decimals is None else decimals
        half = Fraction(1, 2 * 10**printed)
        return cls(text.strip(), (value - half) * scale, (value + half) * scale)

    def divided_by(self, divisor: int) -> PrintedNumber:
        """The number in another unit: MACs from FLOPs."""
        return PrintedNumber(self.text, self.low / divisor, self.high / divisor)

    @property
    def middle(self) -> Fraction:
        """The value as printed."""
        return (self.low + self.high) / 2

    def admits(self, value: int | Fraction) -> bool:
        """Whether an exact value would be printed as this; a tie may be rounded either way."""
        return self.low <= value <= self.high

    def is_double(self, value: int | Fraction) -> bool:
        """Whether this is twice the value as it would be printed: the rounded number was doubled."""
        half_a_digit = (self.high - self.low) / 2
        return abs(self.middle / 2 - value) <= half_a_digit

    def overlaps(self, other: PrintedNumber) -> bool:
        """Whether both can be the same exact value."""
        return self.low <= other.high and other.low <= self.high

    def relative_error(self, value: int | Fraction) -> float:
        """Distance to an exact value as a share of it: 0.02 where 2 % too high was printed, 0 where the value is admitted."""
        if self.admits(value):
            return 0.0
        nearest = self.low if value < self.low else self.high
        return float(nearest / value - 1) if value else math.inf
