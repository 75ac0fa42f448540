"""How models are measured on this machine, as the configuration and the command line say it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from reports.config.sections import STRICT, amount, as_list, one_of
from reports.config.uses import Layout
from zoo.devices.devices import Device
from zoo.measurement.repetition import Precision
from zoo.measurement.settings import MeasureSettings
from zoo.measurement.speed_record import canonical_dtype
from zoo.measurement.way import DTYPES, Way
from zoo.settings import ZooSettings
from zoo.units import DURATION_MS, PERCENT

_MS_PER_S = 1000
_DEVICES = ("cpu", "cuda", "mps")


def _check_device(name: str) -> str:
    kind, colon, number = name.partition(":")
    if kind not in _DEVICES or (colon and not (kind == "cuda" and number.isdecimal())):
        raise ValueError(f"'{name}' is no device that can be measured on. Write cpu, cuda, cuda:1 or mps.")
    return name


Dtype = Annotated[
    str, BeforeValidator(lambda name: canonical_dtype(str(name))), one_of("dtype that can be measured in", lambda: list(DTYPES))
]
Batch = Annotated[int, Field(ge=1)]
Duration = Annotated[float, amount(DURATION_MS), Field(gt=0)]


class MeasureSection(BaseModel):
    """The ways of running to be measured: each dtype in each layout, eager and compiled, at each batch."""

    model_config = STRICT

    device: Annotated[str, AfterValidator(_check_device)] = "cpu"  # as torch names it: cpu, cuda, cuda:1, mps
    as_: Annotated[str | None, Field(alias="as", pattern=r"^[a-z0-9][a-z0-9+._-]*$")] = None  # its id among the devices
    threads: Annotated[int, Field(ge=1)] | None = None  # of a CPU; None: one a core
    dtype: Annotated[list[Dtype], BeforeValidator(as_list), Field(min_length=1)] = ["float32"]
    layout: Annotated[list[Layout], BeforeValidator(as_list), Field(min_length=1)] = ["nchw"]
    compiled: Annotated[list[bool], BeforeValidator(as_list), Field(min_length=1)] = [False]
    batch: Annotated[list[Batch], BeforeValidator(as_list), Field(min_length=1)] = [1]
    max_batch: Batch | None = None  # also at the largest batch that fits: this one, halved as long as memory runs out
    precision: Annotated[float, amount(PERCENT), Field(gt=0)] = 2.0  # half-width of the median's 95 % interval
    least: Annotated[int, Field(ge=1)] = 10  # repetitions
    most: Annotated[int, Field(ge=1)] = 1000
    time: Duration = 10_000.0  # for the repetitions of one measurement, and as much again for warming up: 10s
    timeout: Duration = 300_000.0  # for one measurement, building the model included; then its process is ended
    memory_gb: Annotated[float, Field(gt=0)] | None = None  # of a process that measures on the CPU; None: 80 % of what is free

    def settings(
        self, cache: str, zoos: Mapping[str, ZooSettings], devices: Mapping[str, Device], *, rebuild: bool = False
    ) -> MeasureSettings:
        """What measuring is asked to do."""
        ways = itertools.product(self.dtype, self.layout, self.compiled)
        return MeasureSettings(
            cache=cache,
            zoos=zoos,
            ways=tuple(
                dict.fromkeys(Way(self.device, dtype, layout, compiled, self.threads) for dtype, layout, compiled in ways)
            ),
            batches=tuple(dict.fromkeys(self.batch)),
            max_batch=self.max_batch,
            precision=Precision(self.precision / 100, self.least, self.most, self.time / _MS_PER_S),
            device_id=self.as_,
            devices=devices,
            timeout_s=self.timeout / _MS_PER_S,
            memory_gb=self.memory_gb,
            rebuild=rebuild,
        )
