"""Worker processes whose exit is always detected, and that are killed together with the processes that models started."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.context
import os
import signal
import sys
import threading
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

from zoo.errors import ZooError

_EXIT_OK = 256
"""Replaces exit code 0, which pebble ignores; no process can exit with this code."""

NO_WORKER_STARTS = (
    "Worker processes end before they begin to count; their output says why. "
    "A script must start counting under: if __name__ == '__main__':"
)


def check_main_guard() -> None:
    """Checks that the main script starts workers under a guard: workers import it, and would start other workers endlessly.

    Raises:
        ZooError: in a process that is still starting; multiprocessing's own test for that is `_inheriting`.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ZooError(NO_WORKER_STARTS)


def kill_group(worker: int | None) -> None:
    """Kills the processes that models started in a worker, which is the leader of their process group."""
    if worker and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """How a process ended, from its exit code or, if negative, its signal."""
    if code >= 0:
        return f"ended with code {code % _EXIT_OK}"
    hint = ", which the system does where memory runs out" if -code == signal.SIGKILL else ""
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}{hint}"


def worker_context() -> multiprocessing.context.BaseContext:
    """Forks workers from a server that has imported the modules they need, or spawns them if the system cannot fork."""
    if sys.platform != "win32" and "forkserver" in multiprocessing.get_all_start_methods():
        return _ForkServerContext()
    return _SpawnContext()


class _WatchedProcess(BaseProcess):
    """A process whose exit is always detected, and whose process group is killed with it."""

    @property
    def exitcode(self) -> int | None:
        """256 instead of 0: pebble assumes that it stopped a worker with 0 itself, and would wait for the timeout of the job."""
        code = super().exitcode
        return _EXIT_OK if code == 0 else code

    def start(self) -> None:
        """Starts in daemon processes too, such as Dask's workers: workers always exit with their parent."""
        config = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - multiprocessing refuses daemons by it
        is_daemon = config.pop("daemon", False)
        try:
            super().start()
        finally:
            if is_daemon:
                config["daemon"] = True

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if not self.is_alive():
            kill_group(self.pid)


class _SpawnProcess(_WatchedProcess, multiprocessing.context.SpawnProcess):
    pass


class _SpawnContext(multiprocessing.context.SpawnContext):
    Process = _SpawnProcess


if sys.platform != "win32":
    from multiprocessing import popen_forkserver

    class _Popen(popen_forkserver.Popen):
        """Makes `poll` thread-safe: of two threads that read the exit code at once, one would get 255.

        Each worker has a thread that polls it, and each start of a process polls all.
        """

        _reading: ClassVar = threading.Lock()

        def poll(self, flag: int = os.WNOHANG) -> int | None:
            if self.returncode is None and connection.wait([self.sentinel], 0 if flag == os.WNOHANG else None):
                with self._reading:
                    return super().poll(flag)
            return self.returncode

    class _ForkServerProcess(_WatchedProcess, multiprocessing.context.ForkServerProcess):
        @staticmethod
        def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # multiprocessing's own name
            return _Popen(process_obj)

    class _ForkServerContext(multiprocessing.context.ForkServerContext):
        Process = _ForkServerProcess
