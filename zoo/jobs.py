"""Jobs of workers, reasons of failures, and the summary of a run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from zoo.records import CostKey, DeclaredModel, Status, TraceKey, Variant

INPUT_STAGE, VARIANT_STAGE = "input", "variant"
"""Stages of failures that are no fault: the architecture does not support the input, or does not have the variant."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model could not be counted."""

    stage: str  # plan, input, variant, build, run, timeout, memory, worker
    error: str  # type of the exception; empty if the message is enough
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.stage, self.error, self.message) if part)


def is_unsupported(status: str, reason: str | None) -> bool:
    """Whether a row failed because the architecture does not support its input or does not have its variant."""
    return status == Status.FAILED and (reason or "").startswith((f"{INPUT_STAGE}:", f"{VARIANT_STAGE}:"))


@dataclass(frozen=True, slots=True)
class Job:
    """An architecture to build, count and trace; what is sent to a worker."""

    zoo: str
    arch: str
    classes: int | None
    inputs: tuple[str, ...]  # to count at
    variant: str = Variant.BASE
    batch: int = 1
    family: str | None = None  # architectures of a family share operations, so a worker gets them together
    declared: DeclaredModel | None = None  # sent along, because workers have no configuration
    traces: tuple[tuple[str, str, str], ...] = ()  # input, precision and layout of each trace
    training: bool = False  # whether a step of training is counted beside each cost

    @property
    def rows(self) -> int:
        """Number of rows that this job produces."""
        return len(self.inputs) + len(self.traces)

    def keys(self) -> tuple[CostKey, ...]:
        """Keys of the cost rows."""
        return tuple(map(self._cost_key, self.inputs))

    def trace_keys(self) -> tuple[TraceKey, ...]:
        """Keys of the trace rows."""
        return tuple(TraceKey(*self._cost_key(input), precision, layout) for input, precision, layout in self.traces)

    def row_keys(self) -> list[CostKey | TraceKey]:
        """Keys of all rows, those of an input together, so that they can share a build."""
        inputs = list(dict.fromkeys([*self.inputs, *(input for input, _, _ in self.traces)]))
        keys: list[CostKey | TraceKey] = [*self.keys(), *self.trace_keys()]
        return sorted(keys, key=lambda key: inputs.index(key.input))

    def split(self) -> list[Job]:
        """A job for each row."""
        counts = [dataclasses.replace(self, inputs=(input,), traces=()) for input in self.inputs]
        return counts + [dataclasses.replace(self, inputs=(), traces=(trace,)) for trace in self.traces]

    def _cost_key(self, input: str) -> CostKey:
        return CostKey(self.zoo, self.arch, input, self.classes, self.variant, self.batch)


@dataclass(frozen=True, slots=True)
class TraceFailure:
    """Models that cannot be traced, all for one reason."""

    mode: str
    reason: str
    models: tuple[str, ...]  # with their inputs: `timm/resnet50 3x224x224`


@dataclass(slots=True)
class RunSummary:
    """What a refresh did: a row of the `runs` table."""

    run: str
    planned: int = 0  # cost rows that the configuration asks for
    counted: int = 0  # by this run, without failures
    failed: int = 0  # in this run
    unsupported: int = 0  # of these, at an input or in a variant that the architecture does not support
    added: int = 0  # keys that are new in the cache
    changed: int = 0  # rows that replaced one with other figures
    removed: int = 0  # keys that only the previous run of the same configuration planned
    recovered: int = 0  # rows that had failed before
    broken: int = 0  # failures of rows that are new or were counted before
    failing: int = 0  # planned rows that failed, in this run or an earlier one, without the unsupported ones
    versions: str = ""
    started_at: str = ""
    seconds: float = 0.0
    interrupted: bool = False
    traces_planned: int = 0
    traced: int = 0  # by this run, without failures
    untraced: int = 0  # failures of this run
    trace_failures: list[TraceFailure] = field(default_factory=list)  # of all planned traces, in this run or an earlier one
