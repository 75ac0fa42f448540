"""Latencies on all devices as the page holds them: packed without loss of what is shown."""

from __future__ import annotations

import base64
import dataclasses
import math
import zlib

import numpy as np
import pandas as pd
import pytest
from fakes_html import frame_like, row_like

from reports.columns.leaderboard_columns import LEADERBOARD
from reports.html.device_payload import LEAST_POWER, build_devices, choice_key, encode_latencies
from reports.leaderboard.report import ORIGINS, DeviceLatencies
from reports.selection.speeds.estimate_rounding import STEPS_PER_E, interval_steps, round_estimates
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.kinds import GROUPS
from zoo.run_config import Precision, RunConfig


def decoded(code: int) -> float:
    """What the page makes of a code."""
    if code == 0:
        return float("nan")
    return float(f"{100 + (code - 1) % 900}e{(code - 1) // 900 + LEAST_POWER - 2}")


@pytest.mark.parametrize("latency_ms", [0.001, 0.0123, 0.1, 0.999, 1.0, 9.99, 10.0, 12.3, 999.0, 1000.0, 98_700.0])
def test_three_digits_come_back_exactly(latency_ms: float) -> None:
    (code,) = encode_latencies(np.array([latency_ms]))
    assert decoded(int(code)) == latency_ms


def test_more_digits_are_rounded_and_what_is_unknown_stays_unknown() -> None:
    codes = encode_latencies(np.array([9.996, 16.057, np.nan, 0.0, -1.0, 1e-9]))
    assert [decoded(int(code)) for code in codes[:2]] == [10.0, 16.1]
    assert list(codes[2:]) == [0, 0, 0, 0]


def latencies(device: str, run: RunConfig, values: list[float]) -> DeviceLatencies:
    known = np.array(values)
    origin = np.where(np.isnan(known), -1, ORIGINS.index("estimated")).astype(np.int8)
    return DeviceLatencies(shipped_devices()[device], run, known, known / 2, known * 2, origin)


def table() -> pd.DataFrame:
    rows = [row_like("a", "x"), row_like("a", "y"), row_like("b", "x")]
    return frame_like(rows, LEADERBOARD)


def test_weights_of_one_architecture_share_a_latency() -> None:
    packed = build_devices(table(), [latencies("t4", RunConfig(), [1.5, 1.5, np.nan])])
    assert packed["model"] == [0, 0, 1]
    ((device,),) = [packed["devices"]]
    content = zlib.decompress(base64.b64decode(device["choices"][0]["column"]))
    first_high_byte, first_low_byte = content[0], content[2]  # of two models
    assert decoded((first_high_byte << 8) | first_low_byte) == 1.5
    assert len(content) == 2 * 3
    assert list(content[-2:]) == [round(STEPS_PER_E * math.log(2)), 0]


def test_what_is_published_stands_beside_the_estimates_with_all_its_digits() -> None:
    estimated = latencies("t4", RunConfig(), [1.5, 1.5, 2.5])
    origin = np.array([ORIGINS.index(name) for name in ("estimated", "estimated", "published")], np.int8)
    both = dataclasses.replace(estimated, latency_ms=np.array([1.5, 1.5, 16.0574]), origin=origin)
    (choice,) = build_devices(table(), [both])["devices"][0]["choices"]
    assert choice["known"] == {str(ORIGINS.index("published")): [[1], [16.0574]]}
    assert zlib.decompress(base64.b64decode(choice["column"]))[1] == zlib.decompress(base64.b64decode(choice["column"]))[3] == 0


@pytest.mark.parametrize("factor", [1.01, 1.5, 3.0, 40.0])
def test_an_interval_is_kept_by_its_steps_and_never_narrower_than_it_was(factor: float) -> None:
    exact = np.exp(np.linspace(-6, 9, 500))
    latency_ms, low_ms, high_ms = round_estimates(exact, exact * factor)
    steps = interval_steps(latency_ms, high_ms)
    assert set(steps) == {math.ceil(STEPS_PER_E * math.log(factor) - 1e-9)}
    of_steps = np.exp(steps / STEPS_PER_E)
    assert [f"{value:.3g}" for value in latency_ms * of_steps] == [f"{value:.3g}" for value in high_ms]
    assert [f"{value:.3g}" for value in latency_ms / of_steps] == [f"{value:.3g}" for value in low_ms]
    assert (of_steps >= factor * (1 - 1e-9)).all()
    assert (of_steps <= factor * math.exp(1 / STEPS_PER_E)).all()


def test_devices_stand_in_groups_and_each_has_its_choices() -> None:
    runs = [RunConfig(precision=Precision.FP16), RunConfig(precision=Precision.FP16, layout="nhwc")]
    made = [latencies(device, run, [1.0, 1.0, 2.0]) for device in ("jetson-orin-nano", "t4") for run in runs]
    devices = build_devices(table(), made)["devices"]
    groups = list(GROUPS)
    assert [groups.index(device["group"]) for device in devices] == sorted(groups.index(device["group"]) for device in devices)
    assert [[choice["key"] for choice in device["choices"]] for device in devices] == [list(map(choice_key, runs))] * 2
