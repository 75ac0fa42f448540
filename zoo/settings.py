"""What a refresh is asked to do, already checked: the configuration's facts without its file format."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from zoo.records import CostKey, DeclaredModel, Selection, Status, TraceKey, Variant
from zoo.run_config import RunConfig

LOCAL = "local"
"""The backend that is no cluster, and the cluster of this machine."""


@dataclass(frozen=True, slots=True)
class ZooSettings:
    """Which part of one zoo is counted, at which inputs (`native`, `default`, `224`, `384x512`, `3x224x224`), and in which forms."""

    selection: Selection = Selection()
    inputs: tuple[str, ...] = ("native",)
    inputs_for: tuple[tuple[str, tuple[str, ...]], ...] = ()  # inputs of the architectures that match a glob, the first match
    classes: int | None = None  # outputs of a head for the user's own task; None: those of the architecture and its weights
    in_channels: int | None = None  # of the image; None: as the architecture has
    batches: tuple[int, ...] = (1,)
    variants: tuple[str, ...] = (Variant.BASE,)
    models: tuple[DeclaredModel, ...] = ()  # of a zoo that the configuration declares; none: the zoo is an installed one

    def inputs_of(self, arch: str) -> tuple[str, ...]:
        """The inputs of one architecture."""
        return next((inputs for glob, inputs in self.inputs_for if fnmatch.fnmatchcase(arch, glob)), self.inputs)


@dataclass(frozen=True, slots=True)
class Execution:
    """How the work is done."""

    backend: str = LOCAL
    workers: int | None = None  # None: one a core; of a cluster: as many as its class starts
    timeout_s: float = 120.0  # for one model at one input
    memory_gb: float = 4.0  # of one worker
    address: str | None = None  # of Dask's scheduler; None: a cluster is started for the run
    cluster: str = LOCAL  # the class of that cluster, as `package.Class`; local: workers on this machine
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of that class; they may hold credentials

    @property
    def uses_child_processes(self) -> bool:
        """Whether the processes that count are children of this one: local workers, or a Dask cluster inside this process."""
        if self.backend == LOCAL:
            return True
        return self.address is None and self.cluster == LOCAL and not self.arguments.get("processes", False)


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """One refresh: zoos by name, where the facts are kept, and how they are gathered."""

    cache: str
    zoos: dict[str, ZooSettings] = field(default_factory=dict)
    timm_results: str | None = None  # folder, file or address of timm's result tables; None: those of the installed release
    fetch_accuracy: bool = True  # whether result tables may be downloaded
    accuracy_max_age_days: float = 7.0  # after which a table that can change at its source is fetched again
    execution: Execution = Execution()
    traces: tuple[RunConfig, ...] = ()  # how what is counted is traced: `RunConfig.for_trace`


@dataclass(frozen=True, slots=True)
class RefreshOptions:
    """What is asked of one refresh, beside what its settings say."""

    config: str | None = None  # a name of the settings: runs of one name are compared, and wait for each other
    rebuild: bool = False  # count everything again
    only: tuple[str, ...] = ()  # globs on `arch` or `zoo/arch`; none: all that the settings select
    max_age: timedelta | None = None  # count again what was counted longer ago
    wait: bool = True  # for another refresh of the same name; otherwise that is an error


class Listener(Protocol):
    """Is told how a refresh goes; all calls come from the thread that called `refresh`."""

    def planned(self, rows: int, to_count: int) -> None:
        """The plan holds `rows` costs and traces, of which `to_count` are not in the cache."""

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        """One cost was counted, or one trace made (or failed), and will be committed."""

    def notify(self, message: str) -> None:
        """Something a person should know: a table was fetched, a source is missing, Ctrl-C was seen."""


class SilentListener:
    """A listener that does nothing."""

    def planned(self, rows: int, to_count: int) -> None: ...

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None: ...

    def notify(self, message: str) -> None: ...


def default_workers() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
