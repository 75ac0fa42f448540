"""Uses to start from: a device, a precision and limits that a reader takes with one choice, on the page and in the workbook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo.run_config import Precision


@dataclass(frozen=True)
class Use:
    """A common use of models.

    Attributes:
        title: its name.
        meaning: its device and limits in a few words.
        device: id of a device; empty for any.
        precision: in which the latency on the device counts.
        latency_ms: the most milliseconds of an image on the device.
        limits: exact limits by key of a column of the leaderboard.
    """

    title: str
    meaning: str
    device: str = ""
    precision: Precision = Precision.FP32
    latency_ms: float = 0
    limits: Mapping[str, float] = field(default_factory=dict)


USES = (
    Use("Any device", "no limit on cost"),
    Use("Phone", "Galaxy S24, int8, ≤ 10 ms", "galaxy-s24", Precision.INT8, 10),
    Use("Jetson", "Orin Nano, float16, ≤ 10 ms", "jetson-orin-nano", Precision.FP16, 10),
    Use("Cloud GPU", "T4, float16, ≤ 5 ms", "t4", Precision.FP16, 5),
    # A byte of flash for each parameter; a quarter of the peak memory in float32 is that in int8.
    Use(
        "Microcontroller", "2 MB flash, 512 KB RAM in int8", limits={"params": 2_000_000, "peak_activation_bytes": 4 * 512_000},
    ),
)  # fmt: skip
