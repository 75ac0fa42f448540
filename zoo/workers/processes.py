"""Processes that workers run in: their end is always noticed, and they take along what models started in them."""

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

_ENDED_WELL = 256
"""Stands for exit code 0 where that has to be told from none; no process can end with it."""

NO_WORKER = (
    "Worker processes end before they begin to count; what they print says why. "
    "A script that counts has to do so behind: if __name__ == '__main__':"
)


def refuse_in_a_starting_worker() -> None:
    """A worker imports the script it was started from; one that counts without a guard would start workers there, without end.

    Raises:
        ZooError: in a process that is only beginning. `_inheriting` is what multiprocessing itself tells it by.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ZooError(NO_WORKER)


def end_group(worker: int | None) -> None:
    """Ends what the models of a dead worker started: each worker leads a process group of its own."""
    if worker and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)


def manner_of_end(code: int) -> str:
    """How a process ended, from its exit code or the signal that ended it."""
    if code >= 0:
        return f"ended with code {code % _ENDED_WELL}"
    hint = ", which the system does where memory runs out" if -code == signal.SIGKILL else ""
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}{hint}"


def worker_context() -> multiprocessing.context.BaseContext:
    """Forks workers from a server that has imported what they need, or starts them from nothing where a system cannot."""
    if sys.platform != "win32" and "forkserver" in multiprocessing.get_all_start_methods():
        return _ForkServerContext()
    return _SpawnContext()


class _Watched(BaseProcess):
    """A process whose end is always noticed, and that takes along what models started in it."""

    @property
    def exitcode(self) -> int | None:
        """As always, but for 0: to the pool that is a worker it has let go, and it would wait for the job's time to pass."""
        code = super().exitcode
        return _ENDED_WELL if code == 0 else code

    def start(self) -> None:
        """As always, but also in a daemon, such as Dask's workers are: ours end with their parent, however that ends."""
        config = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - where the refusal looks
        is_daemon = config.pop("daemon", False)
        try:
            super().start()
        finally:
            if is_daemon:
                config["daemon"] = True

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if not self.is_alive():
            end_group(self.pid)


class _SpawnProcess(_Watched, multiprocessing.context.SpawnProcess):
    pass


class _SpawnContext(multiprocessing.context.SpawnContext):
    Process = _SpawnProcess


if sys.platform != "win32":
    from multiprocessing import popen_forkserver

    class _Popen(popen_forkserver.Popen):
        """Gives the exit code to whichever thread asks: taken away by one while another reads it, it would be 255.

        Each worker has a thread that looks after it, and each start of a process looks after all.
        """

        _reading: ClassVar = threading.Lock()

        def poll(self, flag: int = os.WNOHANG) -> int | None:
            if self.returncode is None and connection.wait([self.sentinel], 0 if flag == os.WNOHANG else None):
                with self._reading:
                    return super().poll(flag)
            return self.returncode

    class _ForkServerProcess(_Watched, multiprocessing.context.ForkServerProcess):
        @staticmethod
        def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # multiprocessing's own name
            return _Popen(process_obj)

    class _ForkServerContext(multiprocessing.context.ForkServerContext):
        Process = _ForkServerProcess
