"""Settings of a measurement run, and its listener."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.measurement.repetition import TimingTarget
from zoo.run_config import RunConfig
from zoo.settings import ZooSettings

if TYPE_CHECKING:
    from zoo.devices.device import Device


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What is measured and how, and the cache for the results."""

    cache: str
    zoos: Mapping[str, ZooSettings]
    runs: tuple[RunConfig, ...] = (RunConfig("cpu"),)
    batches: tuple[int, ...] = (1,)
    max_batch: int | None = None  # also the largest batch that fits: this one, halved as long as memory runs out
    target: TimingTarget = field(default_factory=TimingTarget)
    device_id: str | None = None  # id of this machine; None: that of the known device with the name of its hardware
    devices: Mapping[str, Device] = field(default_factory=dict)  # known devices, by id
    timeout_s: float = 300.0  # for one measurement, building the model included
    memory_gb: float | None = None  # of a process that measures on the CPU; None: four fifths of what is free
    rebuild: bool = False  # measure again what the table has


class MeasureListener:
    """Receives the progress of a run. This one ignores it; others override its methods."""

    def planned(self, total: int, to_measure: int, expected_s: float, most_s: float) -> None:
        """`to_measure` of `total` measurements are to be made, which takes about `expected_s`, and at most `most_s`."""

    def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
        """A measurement, or a failure, is committed; the rest takes about `left_s`."""

    def notify(self, message: str) -> None:
        """A message to the user."""
