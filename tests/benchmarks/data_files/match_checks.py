"""Whether a published model is one of our architectures: by its parameters and multiply-accumulates, as far as they are printed.

A printed figure stands for all that round to it. It agrees with ours where the nearest of them is within 2 %. Zeros at its end
may have been filled in by whoever printed the table (29M became 29.0M), so they are no digits. A figure printed more coarsely
than 2 % can refute a match and never confirms one. A table's operations are compared with the range from our multiply-accumulates,
two operations each, to all operations that we count, because tables differ in what they include.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.published.published import Check

TOLERANCE = 0.02
"""How far a published figure may be from ours, as a share of ours."""

_PREFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_PRINTED = re.compile(r"(?P<whole>\d+)(?:\.(?P<digits>\d*))?\s*(?P<prefix>[KMG]?)")
_HALVED = "(OPS/2)"
"""How the collected tables mark operations that they halved."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure as it was printed: all values between the two round to it."""

    value: float
    low: float
    high: float

    @property
    def is_fine(self) -> bool:
        """Whether it is printed finely enough to confirm a match."""
        return self.high - self.low <= 2 * TOLERANCE * self.value

    def distance(self, low: float, high: float) -> float:
        """How far the nearest value that rounds to it is from a range of ours, as a share of ours; 0 inside."""
        return max(0.0, (self.low - high) / high, (low - self.high) / low)


@dataclass(frozen=True, slots=True)
class Ours:
    """What we count of an architecture at an input."""

    params: int
    macs: int
    operations: int  # all of them; a multiply-accumulate is two


def read_figure(text: str | int | None) -> Printed | None:
    """A figure as tables print it: `12.42M`, `878K`, `5.445G (OPS/2)`, or a plain number, which is exact.

    Args:
        text: None, empty and `nanM` are no figure.
    """
    if isinstance(text, int):
        return Printed(text, text, text)
    printed = (text or "").removesuffix(_HALVED).strip()
    match = _PRINTED.fullmatch(printed)
    if not match:
        return None
    halved = 2 if printed != (text or "").strip() else 1
    scale = _PREFIXES[match["prefix"]]
    value = float(f"{match['whole']}.{match['digits'] or 0}") * halved
    digits = f"{value:.6f}".rstrip("0").partition(".")[2]
    half = 0.5 * 10 ** -len(digits) * scale / halved
    value = value * scale / halved
    return Printed(value, value - half, value + half)


def check_match(params: Printed | None, macs: Printed | None, ours: Ours) -> tuple[Check, str | None]:
    """What a match was checked by, or why it is none.

    Args:
        params: of the published model; None where they are not published.
        macs: likewise.
        ours: what we count of the architecture.
    """
    checked = []
    for name, figure, low, high in (
        ("parameters", params, ours.params, ours.params),
        ("MACs", macs, ours.macs, ours.operations / 2),
    ):
        if figure is None:
            continue
        if (distance := figure.distance(low, high)) > TOLERANCE:
            return (
                Check.NONE,
                f"{figure.value / 1e6:,.2f} M {name} are published, {low / 1e6:,.2f} M are ours ({distance:.1%} apart)",
            )
        if figure.is_fine:
            checked.append(name)
    return {(): Check.NAME, ("parameters",): Check.PARAMS, ("MACs",): Check.MACS}.get(tuple(checked), Check.FIGURES), None
