"""Latencies on all devices, compressed for the page: there are hundreds of columns, of which a reader opens a few.

Estimates from data sheets are columns of codes of two bytes, those of the low bytes after those of the high bytes, and then the steps
of their intervals (`reports.selection.speeds.estimate_rounding`), a byte each, compressed together:

    0 for an unknown latency; else 1 + 900 * decade + (digits - 100), for digits / 100 * 10 ** (decade + LEAST_POWER) ms

So the three significant digits of an estimate are exact. Estimates on platforms are computed in the page, from
what `zoo.estimation.platforms.portable` writes: a tenth of the bytes. Measured and published latencies are sent as numbers.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.leaderboard.report import ORIGINS, DeviceLatencies, PlatformEstimates
from reports.selection.speeds.estimate_rounding import interval_steps
from zoo.devices.device import Device
from zoo.devices.kinds import GROUPS, group_title
from zoo.run_config import Precision, RunConfig

LEAST_POWER = -3  # a latency of a microsecond has the least code
_MANTISSAS = 900
_MOST_CODE = 2**16 - 1
_MOST_STEPS = 2**8 - 1
_KEY = ["zoo", "arch", "input", "classes", "variant"]
_ESTIMATED = ORIGINS.index("estimated")


def build_devices(
    leaderboard: pd.DataFrame, latencies: Sequence[DeviceLatencies], platforms: PlatformEstimates | None = None
) -> dict[str, Any]:
    """Devices by kind, the choices of each, and their latencies.

    `model` is, for each row of the leaderboard, its place in the columns: weights of one architecture and input share a latency. A choice
    has a packed `column` of estimates, or the place of its estimates among those of `platforms`; `known` has measured and published
    latencies: for each origin the places of models, and milliseconds. `bytes` are those of an activation and of a weight in each dtype, and
    `memory` those of a device, within which models have to be.
    """
    place, first = _distinct_models(leaderboard)
    groups = list(GROUPS)
    ordered = sorted(latencies, key=lambda one: (groups.index(group_title(one.device.kind)), one.device.name))
    choices = platforms.record["choices"] if platforms else []
    on_platforms = {(choice["device"], choice["dtype"]): place for place, choice in enumerate(choices)}
    devices: dict[str, dict[str, Any]] = {}
    for one in ordered:
        device = one.device
        entry = devices.setdefault(
            device.id, {"id": device.id, "name": device.name, "group": group_title(device.kind), **_memory(device), "choices": []}
        )
        entry["choices"].append(_build_choice(one, first, on_platforms))
    return {
        "model": place.tolist(),
        "origins": list(ORIGINS),
        "bytes": {one.dtype: [one.element_bytes, one.weight_bytes] for one in Precision},
        "leastPower": LEAST_POWER,
        "devices": list(devices.values()),
        "platforms": _pack_platforms(platforms, first) if platforms else None,
    }


def _memory(device: Device) -> dict[str, float]:
    return {"memory": device.memory_bytes.value} if device.memory_bytes else {}


def _build_choice(
    one: DeviceLatencies, first: npt.NDArray[np.int64], on_platforms: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """A choice; `on_platforms` has the places of estimates on platforms by device and dtype."""
    origins, latency_ms = one.origin[first], one.latency_ms[first]
    known = {
        str(origin): [places.tolist(), latency_ms[places].tolist()]
        for origin in range(_ESTIMATED)
        if len(places := np.flatnonzero(origins == origin))
    }
    choice = {"key": choice_key(one.run), "title": one.title, "known": known}
    if one.is_on_platform:
        return choice | {"platform": on_platforms[one.device.id, one.run.precision.dtype]}
    is_estimated = origins == _ESTIMATED
    return choice | ({"column": _pack_estimates(latency_ms, one.high_ms[first], is_estimated)} if is_estimated.any() else {})


def _pack_platforms(platforms: PlatformEstimates, first: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The numbers that estimates on platforms are made from, and of each model of the columns its place among them."""
    record = dict(platforms.record)
    features = base64.b64decode(record.pop("models"))
    numbers = json.dumps(record | {"places": platforms.places[first].tolist()}, separators=(",", ":"))
    return {"features": _compress(features), "numbers": _compress(numbers.encode("ascii"))}


def choice_key(run: RunConfig) -> str:
    """A name for addresses: `float16-nhwc`."""
    return "-".join([run.precision.dtype, *([run.layout] if run.layout != RunConfig().layout else [])])


def encode_latencies(latency_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """The code of each latency; what is shorter or longer than a code can say is unknown."""
    is_known = np.isfinite(latency_ms) & (latency_ms > 0)
    safe = np.where(is_known, latency_ms, 1.0)
    power = np.floor(np.log10(safe))
    digits = np.round(safe / 10.0 ** (power - 2)).astype(np.int64)
    power, digits = np.where(digits == 1000, power + 1, power), np.where(digits == 1000, 100, digits)
    code = 1 + _MANTISSAS * (power - LEAST_POWER) + (digits - 100)
    return np.where(is_known & (code >= 1) & (code <= _MOST_CODE), code, 0).astype(np.uint16)


def _pack_estimates(
    latency_ms: npt.NDArray[np.float64], high_ms: npt.NDArray[np.float64], is_estimated: npt.NDArray[np.bool_]
) -> str:
    """The estimates of one choice: latency (two bytes each) and steps of the interval (one byte)."""
    codes = encode_latencies(np.where(is_estimated, latency_ms, np.nan))
    steps = np.minimum(interval_steps(latency_ms, high_ms) * is_estimated, _MOST_STEPS)
    planes = ((codes >> 8).astype(np.uint8), (codes & 0xFF).astype(np.uint8), steps.astype(np.uint8))
    return _compress(b"".join(plane.tobytes() for plane in planes))


def _compress(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _distinct_models(leaderboard: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each row its model's number, and of each number its first row."""
    place = leaderboard.groupby(_KEY, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
    return place, np.unique(place, return_index=True)[1]
