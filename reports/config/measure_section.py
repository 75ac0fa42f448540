"""How models are measured on this machine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from reports.config.field_types import OneOrMore, PositiveInt, Section, Written, quantity
from reports.config.run_section import Layout, read_precision
from zoo.devices.device import Device
from zoo.measurement.repetition import TimingTarget
from zoo.measurement.settings import MeasureSettings
from zoo.run_config import RUN_BY_TORCH, Precision, RunConfig
from zoo.settings import ZooSettings
from zoo.units import DURATION_MS, PERCENT

_MS_PER_S = 1000
_DEVICES = ("cpu", "cuda", "mps")


def _check_device(name: str) -> str:
    kind, colon, number = name.partition(":")
    if kind not in _DEVICES or (colon and not (kind == "cuda" and number.isdecimal())):
        raise ValueError(f"'{name}' is no device that can be measured on. Write cpu, cuda, cuda:1 or mps.")
    return name


def _device_schema(inner: dict[str, Any]) -> dict[str, Any]:
    return {**inner, "pattern": rf"^({'|'.join(_DEVICES)}|cuda:\d+)$"}


Dtype = Annotated[Precision, read_precision("dtype that can be measured in", RUN_BY_TORCH)]
Duration = Annotated[float, quantity(DURATION_MS), Field(gt=0)]


class MeasureSection(Section):
    """The run configurations to be measured: each dtype in each layout, eager and compiled, at each batch."""

    device: Annotated[str, Written(_device_schema, check=_check_device)] = "cpu"
    """Device to run on, as torch names it: cpu, cuda, cuda:1, mps."""
    as_: Annotated[str | None, Field(alias="as", pattern=r"^[a-z0-9][a-z0-9+._-]*$")] = None
    """The id of this machine among the devices."""
    threads: PositiveInt | None = None
    """Threads of a CPU, pinned. Default: one a core."""
    dtype: OneOrMore[Dtype] = [Precision.FP32]
    """float16 and bfloat16 convert the model; amp keeps float32 weights under autocast to float16."""
    layout: OneOrMore[Layout] = ["nchw"]
    """Memory layout of images; nhwc: channels last."""
    compiled: OneOrMore[bool] = [False]
    """Whether models are compiled by torch.compile."""
    batch: OneOrMore[PositiveInt] = [1]
    """Images in a step."""
    max_batch: PositiveInt | None = None
    """Also at the largest batch that fits: this one, halved as long as memory runs out. Default: none."""
    precision: Annotated[float, quantity(PERCENT), Field(gt=0)] = 2.0
    """Half-width of the 95 % interval of the median time, at which repeating stops: 2%."""
    least: PositiveInt = 10
    """Fewest repetitions."""
    most: PositiveInt = 1000
    """Most repetitions."""
    time: Duration = 10_000.0
    """Time limit of the repetitions of one measurement, and again of warming up: 10s."""
    timeout: Duration = 300_000.0
    """Time limit of one measurement, building the model included; then its process is ended: 300s."""
    memory_gb: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Memory limit of a process that measures on the CPU. Default: 80 % of what is free."""

    def settings(
        self, cache: str, zoos: Mapping[str, ZooSettings], devices: Mapping[str, Device], *, rebuild: bool = False
    ) -> MeasureSettings:
        """The settings of a measuring session."""
        runs = [
            RunConfig(self.device, precision, layout, compiled, threads=self.threads)
            for precision, layout, compiled in itertools.product(self.dtype, self.layout, self.compiled)
        ]
        return MeasureSettings(
            cache=cache,
            zoos=zoos,
            runs=tuple(dict.fromkeys(runs)),
            batches=tuple(dict.fromkeys(self.batch)),
            max_batch=self.max_batch,
            target=TimingTarget(self.precision / 100, self.least, self.most, self.time / _MS_PER_S),
            device_id=self.as_,
            devices=devices,
            timeout_s=self.timeout / _MS_PER_S,
            memory_gb=self.memory_gb,
            rebuild=rebuild,
        )
