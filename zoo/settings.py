"""Settings of a refresh: a validated configuration, independent of its file format."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from zoo.records import CostKey, DeclaredModel, Selection, Status, TraceKey, Variant
from zoo.run_config import RunConfig

LOCAL = "local"
"""The backend without a cluster, and the cluster that runs on this machine."""

DEFAULT_CACHE = "cache/"
"""The default cache: a folder in the working directory."""


@dataclass(frozen=True, slots=True)
class ZooSettings:
    """Architectures of one zoo that are counted, and their inputs: `native`, `default`, `224`, `384x512` or `3x224x224`."""

    selection: Selection = Selection()
    inputs: tuple[str, ...] = ("native",)
    inputs_for: tuple[tuple[str, tuple[str, ...]], ...] = ()  # by glob on the architecture; the first match counts
    classes: int | None = None  # outputs of the head; None: as the architecture or its weights have
    in_channels: int | None = None  # of the image; None: as the native input has
    batches: tuple[int, ...] = (1,)
    variants: tuple[str, ...] = (Variant.BASE,)
    models: tuple[DeclaredModel, ...] = ()  # of a declared zoo; empty: the zoo is an installed one
    is_optional: bool = False  # left out with a message where its library is not installed

    def inputs_of(self, arch: str) -> tuple[str, ...]:
        """The configured inputs of one architecture."""
        return next((inputs for glob, inputs in self.inputs_for if fnmatch.fnmatchcase(arch, glob)), self.inputs)


@dataclass(frozen=True, slots=True)
class Execution:
    """Where jobs run, and their limits."""

    backend: str = LOCAL
    workers: int | None = None  # None: one per core; in a cluster: as many as its class starts
    timeout_s: float = 120.0  # for one model at one input
    memory_gb: float = 4.0  # of one worker
    address: str | None = None  # of Dask's scheduler; None: a cluster is started for the run
    cluster: str = LOCAL  # class of that cluster, as `package.Class`; local: on this machine
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of that class; may contain credentials

    @property
    def uses_child_processes(self) -> bool:
        """Whether worker processes are children of this one: those of the local backend, and of a Dask cluster inside this process."""
        if self.backend == LOCAL:
            return True
        return self.address is None and self.cluster == LOCAL and not self.arguments.get("processes", False)


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """What a refresh counts, how, and in which cache."""

    cache: str
    zoos: dict[str, ZooSettings] = field(default_factory=dict)
    timm_results: str | None = None  # folder, file or address of timm's result tables; None: those of the installed release
    fetch_accuracy: bool = True  # whether result tables may be downloaded
    accuracy_max_age_days: float = 7.0  # after which a table that can change is fetched again
    execution: Execution = Execution()
    traces: tuple[RunConfig, ...] = ()  # modes in which everything counted is traced: `RunConfig.for_trace`
    training: bool = False  # whether a step of training is counted beside each cost


@dataclass(frozen=True, slots=True)
class RefreshOptions:
    """Options of one refresh that are not part of the configuration."""

    config: str | None = None  # name of the settings: runs of the same name are compared, and exclude each other
    rebuild: bool = False  # count everything again
    only: tuple[str, ...] = ()  # globs on `arch` or `zoo/arch`; empty: all selected ones
    max_age: timedelta | None = None  # count older rows again
    wait: bool = True  # for another refresh of the same name; otherwise BusyError


class Listener:
    """Receives the progress of a refresh, in the thread that called `refresh`. This one ignores it; others override its methods."""

    def planned(self, rows: int, to_count: int) -> None:
        """The plan has this many costs and traces, of which `to_count` are not in the cache."""

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        """A cost or a trace has a row, which may be a failure."""

    def notify(self, message: str) -> None:
        """Receives a message for the user: a table was fetched, a source is missing, Ctrl-C was received."""


def default_workers() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
