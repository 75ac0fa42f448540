"""Budgets: limits under their names, with units, as the configuration and the command line write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.budget_columns import COCO_MAP, LATENCY, MEMORY, PEAK, THROUGHPUT, WEIGHTS, WORKING
from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.limits import Allowed, AnyLimit, Limit
from reports.config.field_types import OneOrMore, Patterns, PositiveInt, Section, one_of, quantity
from reports.config.run_section import Dtype, Layout, Processor
from zoo.devices.device import Device
from zoo.run_config import Precision, RunConfig
from zoo.units import BYTES, COUNT, DURATION_MS, IMAGES_PER_S, MACS, PERCENT

ACCURACY = "accuracy"
NO_DATASET = "none"
"""As the dataset, it excludes accuracy from the objectives."""

DATASETS: Mapping[str, Column] = {known.dataset: known.column for known in reversed(ACCURACY_COLUMNS)} | {
    "coco-val2017": COCO_MAP
}
"""The accuracy column of each dataset: of several metrics the first, or the one that each model's task is about."""

COSTS: Mapping[str, Column] = {
    "params": LEADERBOARD_BY_KEY["params"],
    "macs": LEADERBOARD_BY_KEY["macs"],
    "activations": LEADERBOARD_BY_KEY["activations"],
    "peak_memory": PEAK,
    "memory": MEMORY,
    "file_size": LEADERBOARD_BY_KEY["file_bytes"],
    "latency": LATENCY,
    "throughput": THROUGHPUT,
}
"""Limits and objectives by their name in a budget. Accuracy is one more, on the budget's dataset."""


def _read_accuracy(value: float | None) -> float | None:
    if value is not None and 0 < value <= 1:
        raise ValueError(f"{value:g} % is hardly meant. Accuracy is in percent: write {100 * value:g}%.")
    return value


Dataset = Annotated[str, one_of("dataset with known accuracy", lambda: [*DATASETS, NO_DATASET])]
Objective = Annotated[str, one_of("name of an objective", lambda: [ACCURACY, *COSTS])]


class BudgetSection(Section):
    """A budget. Every limit is optional; all that are set have to be satisfied. Quantities are written with their unit."""

    params: Annotated[float | None, quantity(COUNT)] = None
    """Most parameters: 6M."""
    macs: Annotated[float | None, quantity(MACS)] = None
    """Most MACs of one image: 600M or 0.6GMACs."""
    activations: Annotated[float | None, quantity(COUNT)] = None
    """Most elements that layers write: 10M."""
    peak_memory: Annotated[float | None, quantity(BYTES)] = None
    """Most bytes of activations alive at once, at `dtype` and `batch`: 200MB, 256KiB."""
    memory: Annotated[float | None, quantity(BYTES)] = None
    """Most bytes of weights, input and activations together: 300MB."""
    file_size: Annotated[float | None, quantity(BYTES)] = None
    """Largest weights file: 25MB."""
    latency: Annotated[float | None, quantity(DURATION_MS)] = None
    """Longest time of a step on `device`: 10ms."""
    throughput: Annotated[float | None, quantity(IMAGES_PER_S)] = None
    """Fewest images a second on `device`: 1000/s."""
    accuracy: Annotated[float | None, quantity(PERCENT), AfterValidator(_read_accuracy)] = None
    """Lowest accuracy on `dataset`: 80%."""
    dataset: Dataset = "imagenet-1k"
    """Dataset of the accuracies; none: rank by cost alone."""
    license: Patterns = []
    """Globs on the licence of the weights, such as apache-2.0 or cc-*. Empty: all."""
    zoo: Patterns = []
    """Globs on the zoo. Empty: all."""
    family: Patterns = []
    """Globs on the family of architectures. Empty: all."""
    task: Patterns = []
    """Globs on the task. Empty: all."""
    device: str | None = None
    """Device whose memory and speed count, by any of its names: s24, orin nano (zoometer devices)."""
    dtype: Dtype = Precision.FP32
    """Type of weights and activations."""
    batch: PositiveInt | None = None
    """Images in a step. Default: 1."""
    layout: Layout | None = None
    """For speed: memory layout of images. Default: as measured for most models; estimates for nchw."""
    compiled: bool | None = None
    """For speed: whether models are compiled by torch.compile. Default: as measured for most models; estimates for eager."""
    runtime: str | None = None
    """For speed: runtime of measured and published speeds, or the beginning of its name. Default: one for all models, what was measured there, torch on GPUs, elsewhere the fastest."""
    processor: Processor | None = None
    """For speed: processor of published speeds. Default: the fastest."""
    threads: PositiveInt | None = None
    """For speed: threads of a CPU. Default: those of the fastest published speed."""
    pareto: OneOrMore[Objective] | None = None
    """Costs of the frontier, beside accuracy. Default: the latency or throughput that is limited, or macs."""
    pick: Objective = ACCURACY
    """The objective by which the pick is chosen among the models that fit."""

    def limits(self, device: Device | None = None) -> list[AnyLimit]:
        """The limits of the budget, and of the memory of the device where it is known."""
        limits: list[AnyLimit] = [
            Limit(column, bound) for name, column in COSTS.items() if (bound := getattr(self, name)) is not None
        ]
        if self.accuracy is not None and self.dataset != NO_DATASET:
            limits.append(Limit(DATASETS[self.dataset], self.accuracy))
        texts = {name: tuple(getattr(self, name)) for name in ("license", "zoo", "family", "task")}
        limits += [Allowed(LEADERBOARD_BY_KEY[name], patterns) for name, patterns in texts.items() if patterns]
        return limits + (_device_limits(device) if device else [])

    @property
    def frontier_costs(self) -> list[str]:
        """`pareto`, or the speed that is limited, or MACs."""
        limited = [name for name in ("latency", "throughput") if getattr(self, name) is not None]
        return self.pareto or limited[:1] or ["macs"]

    @property
    def is_about_speed(self) -> bool:
        """Whether a limit or an objective is a latency or a throughput."""
        ranked = {self.pick, *self.frontier_costs}
        return self.latency is not None or self.throughput is not None or not ranked.isdisjoint({"latency", "throughput"})

    def run(self) -> RunConfig:
        """How the models would be run, with defaults for the fields in `unstated`."""
        stated = (self.batch or 1, self.threads, self.runtime, self.processor)
        return RunConfig(self.device or "", self.dtype, self.layout or "nchw", bool(self.compiled), *stated)

    @property
    def unstated(self) -> tuple[str, ...]:
        """Fields of `run` that measured speeds may differ in."""
        return tuple(name for name in ("batch", "layout", "compiled") if getattr(self, name) is None)

    def objectives(self) -> list[Column]:
        """The objectives in the order of their importance: `pick`, accuracy unless it is left out, `frontier_costs`."""
        names = [self.pick, ACCURACY, *self.frontier_costs]
        known: dict[str, Column] = dict(COSTS)
        if self.dataset != NO_DATASET:
            known[ACCURACY] = DATASETS[self.dataset]
        return [known[name] for name in dict.fromkeys(names) if name in known]


def _device_limits(device: Device) -> list[AnyLimit]:
    """A microcontroller holds activations in RAM and weights in flash; other devices hold both in their memory."""
    limits: list[AnyLimit] = []
    if device.kind == "microcontroller":
        if device.memory_bytes:
            limits.append(Limit(WORKING, device.memory_bytes.value, "RAM of the device"))
        if device.flash_bytes:
            limits.append(Limit(WEIGHTS, device.flash_bytes.value, "Flash of the device"))
    elif device.memory_bytes:
        limits.append(Limit(MEMORY, device.memory_bytes.value, "Memory of the device"))
    return limits
