"""The inside of a worker process. Importing this module imports torch, so that a fork server can do it once for all workers."""

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

import pandas as pd  # noqa: F401 - pyarrow imports it when it makes its first array: once here, not in every worker
import torch

from zoo.records import Failure, Job
from zoo.workers.isolation import Condition, kept_state, mapped_bytes
from zoo.workers.job import JobResult, JobRunner, short_message

_runner = cache(JobRunner)  # one a process, made when it is needed
_condition = Condition()


def start(memory_gb: float) -> None:
    """Prepares a fresh process for counting: settled, on one thread and bounded in memory."""
    settle()
    torch.set_num_threads(1)
    gc.disable()
    gc.freeze()  # what is imported stays
    limit_memory(memory_gb)
    _condition.watch(memory_gb)


def settle() -> None:
    """Makes a fresh process quiet, offline, and gone when its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _end_together()
    faulthandler.disable()
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    _silence()


def count(job: Job, timeout_s: float | None = None) -> list[JobResult] | Failure | None:
    """Does one job, each of its inputs within the time. What a model raises to end its process is here no more than an exception.

    None is the answer of a spent process: another has to do the job.
    """
    if _condition.is_spent:
        return None
    worker = os.getpid()
    outcome: list[JobResult] | Failure
    with kept_state():
        try:
            outcome = _runner().run(job, timeout_s)
        except BaseException as error:  # noqa: BLE001  # SystemExit, and whatever else is meant to pass by all handlers
            outcome = Failure("run", type(error).__name__, short_message(error))
        finally:
            if os.getpid() != worker:  # a copy that the model made; it must not go on as a second worker
                os._exit(0)
    _condition.note([str(counted.row["reason"]) for counted in outcome] if isinstance(outcome, list) else [])
    return outcome


def _end_together() -> None:
    """Takes what a model starts along when this process ends, and this process along when its parent dies."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, _end_group)
        Finalize(None, _end_group, exitpriority=0)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_outlive_never, args=[parent.sentinel], daemon=True).start()


def _outlive_never(parent: int) -> None:
    connection.wait([parent])
    _end_group()


def _end_group(*_: object) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):  # a copy of this process that a model made leads no group
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _silence() -> None:
    """Sends what models print to nowhere: rows say what went wrong."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def limit_memory(memory_gb: float) -> None:
    """Lets the process grow by this much; an allocation beyond it fails inside the process. Only where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = mapped_bytes() + int(memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
