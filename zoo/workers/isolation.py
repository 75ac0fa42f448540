"""Isolates models from each other inside a worker: limits their time, and restores the state of the process after each job.

A model may change anything in its process. If the change cannot be undone, the process runs no further job and is replaced.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import mmap
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from zoo.jobs import Failure

_SEED = 0
_MOST_RETAINED = 0.5
"""Share of the memory limit that a worker may still use after a job; more would leave too little for the next job."""

_INTERRUPTED = ("timeout:", "memory:")
"""Prefixes of the reasons of models that were interrupted, and may have left the process in any state."""

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGALRM", "SIGCHLD") if hasattr(signal, name))


class TimeUpError(BaseException):
    """A model exceeded its time. Not an `Exception`, which the model itself might catch."""


def timeout_failure(seconds: float) -> Failure:
    """The failure of a job that exceeded its time."""
    return Failure("timeout", "", f"not counted within {seconds:g} s; raise execution: {{timeout_s: …}}")


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Interrupts Python code after some time; native code only once it returns to Python.

    Raises:
        TimeUpError: inside the context, when the time is up.
    """
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeUpError

    usual = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


@contextlib.contextmanager
def restored_state() -> Iterator[None]:
    """Starts a job with fixed seeds and without output, and restores the global state of Python and torch after it."""
    import torch  # here, because the parent of workers does not need it

    torch.default_generator.manual_seed(_SEED)
    random.seed(_SEED)
    restore = [*_python_state(), *_torch_state()]
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(warnings.catch_warnings())
        devnull = contexts.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        contexts.enter_context(contextlib.redirect_stdout(devnull))
        contexts.enter_context(contextlib.redirect_stderr(devnull))
        try:
            yield
        finally:
            for undo in restore:
                with contextlib.suppress(Exception):  # one that fails must not prevent the others
                    undo()


def _python_state() -> list[Callable[[], Any]]:
    """Functions that restore the present state."""
    root = logging.getLogger()
    handlers = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not None}
    return [
        partial(sys.settrace, None),
        partial(sys.setprofile, None),
        partial(sys.setrecursionlimit, sys.getrecursionlimit()),
        *(partial(signal.signal, number, handler) for number, handler in handlers.items()),
        partial(logging.disable, logging.root.manager.disable),
        partial(root.setLevel, root.level),
        partial(setattr, root, "handlers", list(root.handlers)),
        os.environ.clear,
        partial(os.environ.update, dict(os.environ)),
        partial(os.chdir, Path.cwd()),
        partial(setattr, sys, "path", list(sys.path)),
        partial(gc.set_debug, 0),
        gc.enable if gc.isenabled() else gc.disable,
    ]


def _torch_state() -> list[Callable[[], Any]]:
    import torch

    return [
        partial(torch.set_default_device, None),
        partial(torch.set_default_dtype, torch.get_default_dtype()),
        partial(torch.set_num_threads, torch.get_num_threads()),
        partial(torch.set_grad_enabled, True),
        partial(torch.set_autocast_enabled, "cpu", False),
        partial(torch.use_deterministic_algorithms, False),
    ]


class WorkerHealth:
    """Whether this process can run another job."""

    def __init__(self) -> None:
        self.needs_restart = False
        self._threads: int | None = None  # at the start; None: this process cannot be replaced, so it runs all jobs
        self._most_mapped = 0.0

    def set_baseline(self, memory_gb: float) -> None:
        """Takes the present state of the process as healthy; it may use this much more memory."""
        self._threads = threading.active_count()
        self._most_mapped = mapped_bytes() + memory_gb * 1e9 * _MOST_RETAINED

    def check(self, reasons: Iterable[str]) -> None:
        """Checks whether a job, whose rows have these reasons, left an interrupted model, a thread or much memory."""
        if self._threads is not None:
            was_interrupted = any(reason.startswith(_INTERRUPTED) for reason in reasons)
            self.needs_restart = was_interrupted or threading.active_count() > self._threads or self._uses_much_memory()

    def _uses_much_memory(self) -> bool:
        if mapped_bytes() <= self._most_mapped:
            return False
        gc.collect()
        return mapped_bytes() > self._most_mapped


def mapped_bytes() -> int:
    """Size of the process's address space, to which the memory limit applies; 0 if the system does not tell."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
    return 0
