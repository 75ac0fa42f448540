"""Limits on candidates, and the columns of a use that they can be on: memory at a dtype and batch, speed on a device."""

from __future__ import annotations

from dataclasses import dataclass

from reports.columns import Better, Column, Kind

ITEM_BYTES = {"float32": 4, "amp": 4, "float16": 2, "bfloat16": 2, "float8": 1, "int8": 1}
"""Bytes of an element of each dtype that memory can be derived for. amp is torch's autocast, float32 weights whose activations
are float16 where that is safe: as float32, its memory is an upper bound."""


_DERIVED = "derived from the count, see the assumptions"
_SPEED = "measured, or estimated where that is said"
PEAK = Column(
    "peak_bytes",
    "Peak memory",
    "Most bytes of activations alive at one moment of inference, at the dtype and batch asked for; input, weights and scratch inside kernels excluded.",
    _DERIVED,
    Kind.NUMBER,
    "MB",
    1e6,
    2,
    Better.LOW,
    "Memory",
    13,
)
WEIGHTS = Column(
    "weights_at_dtype_bytes",
    "Weights",
    "Bytes of parameters and buffers at the dtype asked for.",
    _DERIVED,
    Kind.NUMBER,
    "MB",
    1e6,
    2,
    Better.LOW,
    "Memory",
    10,
)
WORKING = Column(
    "working_bytes",
    "Input and activations",
    "Peak memory and the input.",
    _DERIVED,
    Kind.NUMBER,
    "MB",
    1e6,
    2,
    Better.LOW,
    "Memory",
    13,
)
MEMORY = Column(
    "memory_bytes",
    "Memory",
    "Weights, input and activations together; scratch inside kernels and the runtime excluded.",
    _DERIVED,
    Kind.NUMBER,
    "MB",
    1e6,
    2,
    Better.LOW,
    "Memory",
    10,
)
LATENCY = Column(
    "latency_ms",
    "Latency",
    "Time of one step of the batch asked for, on the device asked for.",
    _SPEED,
    Kind.NUMBER,
    "ms",
    1,
    2,
    Better.LOW,
    "Speed",
    10,
)
THROUGHPUT = Column(
    "samples_per_s",
    "Throughput",
    "Images a second on the device asked for; where no batch is asked for, at the fastest one measured.",
    _SPEED,
    Kind.NUMBER,
    "/s",
    1,
    0,
    Better.HIGH,
    "Speed",
    10,
)
INTERVAL = ("latency_low_ms", "latency_high_ms")
"""Columns beside the latency: where an estimate lies nine times in ten."""

OF_USE = (PEAK, WEIGHTS, WORKING, MEMORY, LATENCY, THROUGHPUT)
"""What `reports.candidates` adds to the leaderboard."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A most of a cost, or a least of a quality, in the exact values of the column."""

    column: Column
    bound: float

    @property
    def is_least(self) -> bool:
        """Whether the figure has to reach the bound rather than stay under it."""
        return self.column.better is Better.HIGH

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.column.title


@dataclass(frozen=True, slots=True)
class Allowed:
    """Texts that are allowed: shell globs, upper and lower case alike."""

    column: Column
    patterns: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.column.title


AnyLimit = Limit | Allowed
