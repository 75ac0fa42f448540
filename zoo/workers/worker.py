"""Runs in worker processes. Importing this module imports torch, so that a fork server can do so once for all workers."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import signal
import threading
import warnings
from functools import cache
from multiprocessing import connection
from multiprocessing.util import Finalize

import pandas as pd  # noqa: F401 - pyarrow imports it for its first array: once here, not in every worker
import torch

from zoo.jobs import Failure, Job
from zoo.workers.isolation import WorkerHealth, mapped_bytes, restored_state
from zoo.workers.job import JobRunner, short_message
from zoo.workers.job_rows import JobResult

_runner = cache(JobRunner)
_health = WorkerHealth()


def initialize(memory_gb: float) -> None:
    """Prepares a new process for jobs, with one thread and a memory limit."""
    prepare_process()
    torch.set_num_threads(1)
    gc.disable()
    gc.freeze()  # imported modules are never freed
    limit_memory(memory_gb)
    _health.set_baseline(memory_gb)


def prepare_process() -> None:
    """Silences the worker, disables network access and ties its lifetime to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    _tie_lifetimes()
    faulthandler.disable()
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    _discard_output()


def run(job: Job, timeout_s: float | None = None) -> list[JobResult] | Failure | None:
    """Runs one job with a time limit for each row; exceptions of the model become failures. None: the process needs a restart."""
    if _health.needs_restart:
        return None
    worker = os.getpid()
    outcome: list[JobResult] | Failure
    with restored_state():
        try:
            outcome = _runner().run(job, timeout_s)
        except BaseException as error:  # noqa: BLE001  # SystemExit and the like too
            outcome = Failure("run", type(error).__name__, short_message(error))
        finally:
            if os.getpid() != worker:  # the model forked: the copy must not continue as a second worker
                os._exit(0)
    _health.check([str(result.row["reason"]) for result in outcome] if isinstance(outcome, list) else [])
    return outcome


def _tie_lifetimes() -> None:
    """When this process ends, kills the processes that models started; when its parent ends, kills this process."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, _kill_own_group)
        Finalize(None, _kill_own_group, exitpriority=0)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_exit_after, args=[parent.sentinel], daemon=True).start()


def _exit_after(parent: int) -> None:
    connection.wait([parent])
    _kill_own_group()


def _kill_own_group(*_: object) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):  # a fork of this process is not the leader of a group
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _discard_output() -> None:
    """Discards the output of models."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(devnull, stream)
    os.close(devnull)


def limit_memory(memory_gb: float) -> None:
    """Makes allocations fail once the process has grown by this much, on systems that support it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = mapped_bytes() + int(memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
