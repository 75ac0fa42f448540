"""Latencies of every model on every device as text: the content of the sheet *Latencies*, which formulas read.

One cell holds all latencies of a model, nine characters for each device and precision. A workbook with a number in a cell for each would
have 350 x 2,300 of them: twice the bytes, and many times the time to write and to open.

    1230E-2 1f      four digits and an exponent, milliseconds; then how it is known (here apart, in the cell together):
                    `m.` measured, `p.` published, else the steps of an estimate's interval in hexadecimal
    ?????????       nothing is known

An estimate has three digits, so it comes back exactly; measured and published latencies are rounded to four.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reports.leaderboard.report import ORIGINS, DeviceLatencies
from reports.selection.speeds.estimate_rounding import interval_steps

LENGTH, NUMBER = 9, 7
"""Characters of one latency, and of its number at their beginning."""
MARKS = {"measured": "m.", "published": "p."}
_UNKNOWN = ord("?")
_MOST_STEPS = 255
_DIGITS = 4
_LEAST_POWER, _MOST_POWER = -9, 9


def encode(latencies: Sequence[DeviceLatencies], rows: npt.NDArray[np.int64]) -> list[str]:
    """The text of each model.

    Args:
        latencies: by number of the choice, from 1 on.
        rows: of each model, one of its rows in the leaderboard.
    """
    characters = np.full((len(rows), len(latencies), LENGTH), _UNKNOWN, np.uint8)
    for place, one in enumerate(latencies):
        _write_codes(characters[:, place], one.latency_ms[rows], one.high_ms[rows], one.origin[rows])
    return [row.tobytes().decode("ascii") for row in characters.reshape(len(rows), -1)]


def _write_codes(
    text: npt.NDArray[np.uint8],
    latency_ms: npt.NDArray[np.float64],
    high_ms: npt.NDArray[np.float64],
    origin: npt.NDArray[np.int8],
) -> None:
    """Write the nine characters of each model."""
    safe = np.where(np.isfinite(latency_ms) & (latency_ms > 0), latency_ms, 1.0)
    power = np.floor(np.log10(safe)).astype(np.int64) - (_DIGITS - 1)
    digits = np.round(safe / 10.0**power).astype(np.int64)
    power, digits = (
        np.where(digits == 10**_DIGITS, power + 1, power),
        np.where(digits == 10**_DIGITS, 10 ** (_DIGITS - 1), digits),
    )
    is_known = np.isfinite(latency_ms) & (latency_ms > 0) & (power >= _LEAST_POWER) & (power <= _MOST_POWER)
    columns = [ord("0") + digits // 10**place % 10 for place in range(_DIGITS - 1, -1, -1)]
    columns += [np.full(len(text), ord("E")), np.where(power < 0, ord("-"), ord("+")), ord("0") + abs(power)]
    text[is_known] = np.stack([*columns, *_origin_marks(latency_ms, high_ms, origin)], axis=1)[is_known]


def _origin_marks(
    latency_ms: npt.NDArray[np.float64], high_ms: npt.NDArray[np.float64], origin: npt.NDArray[np.int8]
) -> list[npt.NDArray[np.int64]]:
    """The two characters of the origin of each latency."""
    steps = np.minimum(interval_steps(latency_ms, high_ms), _MOST_STEPS)
    hexadecimal = np.frombuffer(b"0123456789abcdef", np.uint8).astype(np.int64)
    marks = [hexadecimal[steps // 16], hexadecimal[steps % 16]]
    for name, mark in MARKS.items():
        is_so = origin == ORIGINS.index(name)
        marks = [np.where(is_so, ord(letter), known) for letter, known in zip(mark, marks, strict=True)]
    return marks
