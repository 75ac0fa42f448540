"""A device: the figures that its maker states, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zoo.units import (
    BYTES,
    BYTES_PER_S,
    COUNT,
    HERTZ,
    WATTS,
    Quantity,
)

FIGURES: Mapping[str, tuple[str, Quantity]] = {
    "memory_bandwidth": ("memory_bandwidth_bytes_per_s", BYTES_PER_S),
    "memory": ("memory_bytes", BYTES),
    "flash": ("flash_bytes", BYTES),
    "cache": ("cache_bytes", BYTES),
    "power": ("power_w", WATTS),
    "base_clock": ("base_clock_hz", HERTZ),
    "boost_clock": ("boost_clock_hz", HERTZ),
    "cores": ("cores", COUNT),
    "compute_units": ("compute_units", COUNT),
}
"""By key in a file of devices: the attribute of `Device`, whose name has the unit, and the quantity that is parsed."""


@dataclass(frozen=True, slots=True)
class FigureSource:
    """The document of a figure, or how it was computed."""

    title: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, in the unit in its name, with its source."""

    value: float
    source: FigureSource


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cores of one kind in a processor."""

    cores: int
    clock_hz: float | None  # maximum
    core: str | None  # its name: Cortex-A76
    source: FigureSource


@dataclass(frozen=True, slots=True)
class Device:
    """A device's data sheet. A figure that its maker does not state is None, or missing from `peak_per_s`.

    `peak_per_s` holds FLOP/s, and integer operations a second, dense; one multiply-accumulate is two. Its keys name the format
    and the unit that computes: `fp32_vector`, `fp16_tensor_fp32_acc`, and `fp16_tensor` where the maker does not name the
    accumulation.
    """

    id: str
    name: str
    kind: str
    architecture: str | None = None
    chip: str | None = None  # the system on a chip; devices with the same one are related
    note: str | None = None
    aliases: tuple[str, ...] = ()  # other names
    peak_per_s: Mapping[str, Figure] = field(default_factory=dict)
    memory_bandwidth_bytes_per_s: Figure | None = None
    memory_bytes: Figure | None = None
    flash_bytes: Figure | None = None
    cache_bytes: Figure | None = None  # of the last level
    power_w: Figure | None = None
    base_clock_hz: Figure | None = None
    boost_clock_hz: Figure | None = None
    cores: Figure | None = None
    compute_units: Figure | None = None  # streaming multiprocessors of a GPU
    clusters: tuple[Cluster, ...] = ()  # the cores of a CPU that has several kinds, the fastest first

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every known figure with its name, peaks first."""
        yield from self.peak_per_s.items()
        for attribute, _ in FIGURES.values():
            if (figure := getattr(self, attribute)) is not None:
                yield attribute, figure
