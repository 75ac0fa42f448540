"""A process that answers one request after another. However it ends, its parent gets an answer."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import Pipe, connection
from typing import Any, Self

from zoo.records import Failure
from zoo.workers.processes import end_group, manner_of_end, worker_context

_END_S = 5.0
"""For a process to end by itself once it has been asked to."""


class Child:
    """A process, started at the first request and anew where it died. Use it in a `with` statement.

    `serve` gets a connection and the arguments; it receives requests from the one and sends an answer to each, until the
    connection is closed.
    """

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        self._serve, self._args = serve, args
        self._process: Any = None
        self._connection: connection.Connection[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, request: Any, timeout_s: float) -> Any:
        """The answer, or the failure to give one: the process ended, or did not answer in time and was ended."""
        if self._process is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(request)
            if not self._connection.poll(timeout_s):
                self._kill()
                return Failure("timeout", "", f"no result within {timeout_s:g} s")
            return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_END_S)
            code = self._process.exitcode
            self._kill()
            return Failure("worker", "", f"its process {'did not end' if code is None else manner_of_end(code)}")

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._kill()

    def _start(self) -> None:
        ours, theirs = Pipe()
        self._process = worker_context().Process(target=self._serve, args=(theirs, *self._args), daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        theirs.close()  # so that its end is noticed: the last one open is the process's own
        self._connection = ours

    def _kill(self) -> None:
        assert self._connection is not None
        self._connection.close()
        end_group(self._process.pid)  # with what a model has started
        self._process.kill()
        self._process.join(_END_S)
        self._process = self._connection = None
