"""Jobs of workers, reasons of failures, and the summary of a run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from zoo.records import CostKey, DeclaredModel, Status, TraceKey

INPUT_STAGE, VARIANT_STAGE = "input", "variant"
"""Stages of failures that are not faults: the architecture does not support the input, or does not have the variant."""


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
    """Rows of one architecture to count and trace; what is sent to a worker."""

    keys: tuple[CostKey | TraceKey, ...]  # of the rows; those of an input together, so that they can share a build
    family: str | None = None  # architectures of a family share operations, so a worker gets them together
    declared: DeclaredModel | None = None  # sent along, because workers have no configuration
    training: bool = False  # whether a step of training is counted beside each cost

    @property
    def zoo(self) -> str:
        """Zoo of the architecture."""
        return self.keys[0].zoo

    @property
    def arch(self) -> str:
        """Name of the architecture."""
        return self.keys[0].arch

    def split(self) -> list[Job]:
        """A job for each row."""
        return [dataclasses.replace(self, keys=(key,)) for key in self.keys]


@dataclass(frozen=True, slots=True)
class TraceFailure:
    """Models that cannot be traced for the same reason."""

    mode: str
    reason: str
    models: tuple[str, ...]  # with their inputs: `timm/resnet50 3x224x224`


@dataclass(slots=True)
class RunSummary:
    """What a refresh did; most figures are also in its row of the `runs` table."""

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
