"""What a refresh is asked to do, already checked: the configuration's facts without its file format."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Protocol

from zoo.records import CostKey, Selection, Status


@dataclass(frozen=True, slots=True)
class ZooSettings:
    """Which part of one zoo is counted, and at which inputs (`native`, `224`, `384x512`, `3x224x224`)."""

    selection: Selection = Selection()
    inputs: tuple[str, ...] = ("native",)


@dataclass(frozen=True, slots=True)
class Execution:
    """How the work is done."""

    backend: str = "local"
    workers: int | None = None  # None: one a core
    timeout_s: float = 120.0  # for one model at one input
    memory_gb: float = 4.0  # of one worker


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """One refresh: zoos by name, where the facts are kept, and how they are gathered."""

    cache: str
    zoos: dict[str, ZooSettings] = field(default_factory=dict)
    variants: tuple[str, ...] = ("train",)
    timm_results: str | None = None  # folder, file or address of timm's result tables; None: those of the installed release
    fetch_accuracy: bool = True  # whether result tables may be downloaded
    execution: Execution = Execution()


class Listener(Protocol):
    """Is told how a refresh goes; all calls come from the thread that called `refresh`."""

    def planned(self, rows: int, to_count: int) -> None:
        """The plan holds `rows` cost rows, of which `to_count` are not in the cache."""

    def counted(self, key: CostKey, status: Status, reason: str | None) -> None:
        """One cost row was counted (or failed) and will be committed."""

    def says(self, message: str) -> None:
        """Something a person should know: a table was fetched, a source is missing, Ctrl-C was seen."""


class Silent:
    """A listener that does nothing."""

    def planned(self, rows: int, to_count: int) -> None: ...

    def counted(self, key: CostKey, status: Status, reason: str | None) -> None: ...

    def says(self, message: str) -> None: ...


def default_workers() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
