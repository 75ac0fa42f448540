"""What keeps one model's doings from the next, inside a worker: a limit of time, and a process that is found as it was left.

A model may do anything to the process it is counted in. What can be put back is put back after each job; where something stays
behind that cannot, the process is *spent*: it does no further job and is replaced.
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
from pathlib import Path
from typing import Any

from zoo.records import Failure

_SEED = 0
_SPENT_SHARE = 0.5
"""Of the memory limit: a worker that holds more than this after a job leaves the next too little."""

_STOPPED = ("timeout:", "memory:")
"""How the reasons begin of models that did not come to an end of their own."""

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGALRM", "SIGCHLD") if hasattr(signal, name))


class TimeUpError(BaseException):
    """A model has had its time. No `Exception`, so that a model which catches those does not go on."""


def timed_out(seconds: float) -> Failure:
    """The failure of what took longer than it may."""
    return Failure("timeout", "", f"not counted within {seconds:g} s; raise execution: {{timeout_s: …}}")


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Interrupts what runs longer, as far as it is Python: code of other languages is only interrupted when it returns.

    Raises:
        TimeUpError: inside the context, when the time is up.
    """
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeUpError

    usual = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


@contextlib.contextmanager
def kept_state() -> Iterator[None]:
    """Starts a job with a fixed seed and silence, and undoes what its model changes in the process."""
    import torch  # here, because a parent of workers has no need of it

    torch.default_generator.manual_seed(_SEED)
    random.seed(_SEED)
    undo = [*_python_state(), *_torch_state()]
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(warnings.catch_warnings())
        nowhere = contexts.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        contexts.enter_context(contextlib.redirect_stdout(nowhere))
        contexts.enter_context(contextlib.redirect_stderr(nowhere))
        try:
            yield
        finally:
            for put_back in undo:
                with contextlib.suppress(Exception):  # one that fails must not keep the others from being done
                    put_back()


def _python_state() -> list[Callable[[], Any]]:
    folder, variables, paths, recursion = Path.cwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit()
    handlers = [(number, signal.getsignal(number)) for number in _SIGNALS]
    root, disabled = logging.getLogger(), logging.root.manager.disable
    level, log_handlers = root.level, list(root.handlers)
    collects = gc.isenabled()

    def put_back_signals() -> None:
        for number, handler in handlers:
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def put_back_logging() -> None:
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = log_handlers

    def put_back_variables() -> None:
        if os.environ != variables:
            os.environ.clear()
            os.environ.update(variables)

    def put_back_tracing() -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def put_back_collector() -> None:
        gc.set_debug(0)
        (gc.enable if collects else gc.disable)()

    return [
        put_back_tracing,
        put_back_signals,
        put_back_logging,
        put_back_variables,
        lambda: os.chdir(folder),
        lambda: sys.path.__setitem__(slice(None), paths),
        lambda: sys.setrecursionlimit(recursion),
        put_back_collector,
    ]


def _torch_state() -> list[Callable[[], Any]]:
    import torch

    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    return [
        lambda: torch.set_default_device(None),
        lambda: torch.set_default_dtype(dtype),
        lambda: torch.set_num_threads(threads),
        lambda: torch.set_grad_enabled(True),
        lambda: torch.set_autocast_enabled("cpu", False),
        lambda: torch.use_deterministic_algorithms(False),
    ]


class Condition:
    """Whether this process can do another job."""

    def __init__(self) -> None:
        self.is_spent = False
        self._threads: int | None = None  # None: nobody replaces this process, so that it has to go on
        self._most_mapped = 0.0

    def watch(self, memory_gb: float) -> None:
        """Takes the process as it is now for a fresh one, of which this much memory may be used."""
        self._threads = threading.active_count()
        self._most_mapped = mapped_bytes() + memory_gb * 1e9 * _SPENT_SHARE

    def note(self, reasons: Iterable[str]) -> None:
        """Looks at what a job has left behind: a model stopped somewhere in the middle, a thread, or much memory."""
        if self._threads is not None:
            was_stopped = any(reason.startswith(_STOPPED) for reason in reasons)
            self.is_spent = was_stopped or threading.active_count() > self._threads or self._holds_much()

    def _holds_much(self) -> bool:
        if mapped_bytes() <= self._most_mapped:
            return False
        gc.collect()
        return mapped_bytes() > self._most_mapped


def mapped_bytes() -> int:
    """Bytes of address space the process has, which is what the limit of memory is on; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
    return 0
