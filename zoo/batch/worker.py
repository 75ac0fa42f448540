"""The inside of a worker process. Importing this module imports torch, so that a fork server can do it once for all workers."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import warnings

import torch

from zoo.batch.job import Counted, Counter
from zoo.records import Job

_counter: Counter | None = None


def start(memory_gb: float) -> None:
    """Prepares a fresh process: quiet, on one thread, offline, and bounded in memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.disable()
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    gc.disable()
    gc.freeze()  # what is imported stays
    _silence()
    _limit_memory(memory_gb)


def count(job: Job) -> list[Counted]:
    """Does one job."""
    global _counter
    if _counter is None:
        _counter = Counter()
    return _counter.count(job)


def _silence() -> None:
    """Sends what models print to nowhere: rows say what went wrong."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _limit_memory(memory_gb: float) -> None:
    """Lets the process grow by this much; an allocation beyond it fails inside the process. Only where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            mapped = int(statm.read().split()[0]) * resource.getpagesize()
        limit = mapped + int(memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
