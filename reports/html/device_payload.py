"""Latencies on all devices as the page holds them: packed, because there are hundreds of columns of which a reader opens a few.

Latencies of one choice are codes of two bytes, those of the low bytes after those of the high bytes, compressed together with the
bounds and origins:

    0 for an unknown latency; else 1 + 900 * decade + (digits - 100), for digits / 100 * 10 ** (decade + LEAST_POWER) ms

So three significant digits are kept exactly. Published and measured latencies have more; the page shows three of them.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.leaderboard.report import ORIGINS, DeviceLatencies
from zoo.devices.kinds import GROUPS, group_title
from zoo.run_config import Precision, RunConfig

LEAST_POWER = -3  # a latency of a microsecond has the least code
_MANTISSAS = 900
_MOST_CODE = 2**16 - 1
_KEY = ["zoo", "arch", "input", "classes", "variant"]


def build_devices(leaderboard: pd.DataFrame, latencies: Sequence[DeviceLatencies]) -> dict[str, Any]:
    """Devices by kind, the choices of each, and their packed columns.

    `model` is, for each row of the leaderboard, its place in the columns: weights of one architecture and input share a latency.
    """
    place, first = _distinct_models(leaderboard)
    groups = list(GROUPS)
    ordered = sorted(latencies, key=lambda one: (groups.index(group_title(one.device.kind)), one.device.name))
    devices: dict[str, dict[str, Any]] = {}
    for one in ordered:
        device = one.device
        entry = devices.setdefault(
            device.id, {"id": device.id, "name": device.name, "group": group_title(device.kind), "choices": []}
        )
        entry["choices"].append({"key": choice_key(one.run), "title": choice_title(one.run), "column": _pack(one, first)})
    return {"model": place.tolist(), "origins": list(ORIGINS), "leastPower": LEAST_POWER, "devices": list(devices.values())}


def choice_key(run: RunConfig) -> str:
    """A name for addresses: `float16-nhwc`."""
    parts = [
        run.precision.dtype,
        *([run.layout] if run.layout != RunConfig().layout else []),
        *([run.runtime] if run.runtime else []),
    ]
    return "-".join(parts)


def choice_title(run: RunConfig) -> str:
    """`float16, channels last`."""
    words = ["mixed precision (amp)" if run.precision is Precision.AMP else run.precision.dtype]
    words += ["channels last"] if run.layout == "nhwc" else []
    words += [run.runtime] if run.runtime else []
    return ", ".join(words)


def encode_latencies(latency_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """The code of each latency; what is shorter or longer than a code can say is unknown."""
    is_known = np.isfinite(latency_ms) & (latency_ms > 0)
    safe = np.where(is_known, latency_ms, 1.0)
    power = np.floor(np.log10(safe))
    digits = np.round(safe / 10.0 ** (power - 2)).astype(np.int64)
    power, digits = np.where(digits == 1000, power + 1, power), np.where(digits == 1000, 100, digits)
    code = 1 + _MANTISSAS * (power - LEAST_POWER) + (digits - 100)
    return np.where(is_known & (code >= 1) & (code <= _MOST_CODE), code, 0).astype(np.uint16)


def _pack(one: DeviceLatencies, first: npt.NDArray[np.int64]) -> str:
    """The columns of one choice: latency, low, high (two bytes each) and origin (one byte; 255 is unknown)."""
    codes = [encode_latencies(figure[first]) for figure in (one.latency_ms, one.low_ms, one.high_ms)]
    planes = [plane for code in codes for plane in ((code >> 8).astype(np.uint8), (code & 0xFF).astype(np.uint8))]
    content = b"".join(plane.tobytes() for plane in (*planes, one.origin[first].astype(np.uint8)))
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _distinct_models(leaderboard: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each row its model's number, and of each number its first row."""
    place = leaderboard.groupby(_KEY, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
    return place, np.unique(place, return_index=True)[1]
