"""A process that answers one request after another. Its parent always gets a reply, even if the process crashes or hangs."""

from __future__ import annotations

import importlib
from multiprocessing import Pipe, connection
from typing import Any, Self

from zoo.jobs import Failure
from zoo.workers.processes import describe_exit, kill_group, worker_context

_EXIT_S = 5.0
"""Time for a process to exit."""


class SupervisedProcess:
    """A process that starts with the first request, and again after a crash. Use it in a `with` statement."""

    def __init__(self, factory: str, *args: Any) -> None:
        """Prepares the process.

        Args:
            factory: `package.module:function`, which only the process imports. It returns a function that answers a request.
            args: of the factory.
        """
        self._factory, self._args = factory, args
        self._process: Any = None
        self._connection: connection.Connection[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def request(self, request: Any, timeout_s: float) -> Any:
        """The reply, or a failure if the process exited or did not reply in time; then it is killed."""
        if self._connection is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(request)
            if not self._connection.poll(timeout_s):
                self.kill()
                return Failure("timeout", "", f"no result within {timeout_s:g} s")
            return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_EXIT_S)
            code = self._process.exitcode
            self.kill()
            return Failure("worker", "", f"its process {'did not end' if code is None else describe_exit(code)}")

    def kill(self) -> None:
        """Kills the process, if there is one, and all processes that it started."""
        if self._connection is None:
            return
        self._connection.close()
        kill_group(self._process.pid)
        self._process.kill()
        self._process.join(_EXIT_S)
        self._process = self._connection = None

    def _start(self) -> None:
        ours, theirs = Pipe()
        args = (theirs, self._factory, *self._args)
        self._process = worker_context().Process(target=_answer_requests, args=args, daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        theirs.close()  # the process holds the only other end, so that its exit closes the connection
        self._connection = ours


def _answer_requests(connection: connection.Connection[Any, Any], factory: str, *args: Any) -> None:
    """Runs in the process, until the parent closes the connection."""
    module, _, name = factory.partition(":")
    answer = getattr(importlib.import_module(module), name)(*args)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(answer(request))
