"""Real refreshes that start at once: copies of a process that has imported everything, with workers from one warm fork server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from fakes_installed import environment, write_distribution

NURSERY = """
import multiprocessing, multiprocessing.forkserver, os, sys, traceback
from zoo.refresh import committer as committing
from zoo.workers.local_pool import preload_workers
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, ZooSettings
from zoo.records import Selection

def nothing():
    pass

def child(cache, globs):
    server = multiprocessing.forkserver
    server.ensure_running = server._forkserver.ensure_running = nothing  # the nursery's serves its copies too
    committing.COMMIT_EVERY_S = 0
    try:
        settings = ZooSettings(Selection(include=tuple(globs)))
        refresh(RefreshSettings(cache, {"slow": settings}, execution=Execution(workers=1)))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

if __name__ == "__main__":
    preload_workers(["zoo_of_poison"])
    first = multiprocessing.get_context("forkserver").Process(target=nothing)
    first.start()
    first.join()
    print("ready", flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "start":
            pid = os.fork()
            if not pid:
                child(rest[0], rest[1:])
            print(pid, flush=True)
        else:
            print(os.waitstatus_to_exitcode(os.waitpid(int(rest[0]), 0)[1]), flush=True)
"""


class Nursery:
    """Starts refreshes of the slow zoo, whose models are quick here."""

    def __init__(self, folder: Path) -> None:
        write_distribution(folder, slow="zoo_of_poison:SlowZoo")
        script = folder / "nursery.py"
        script.write_text(NURSERY)
        self._process = subprocess.Popen(
            [sys.executable, str(script)], env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        assert self._stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, cache: Path, globs: Sequence[str] = ("*",)) -> int:
        """Starts a refresh of what the globs select and gives its process."""
        return int(self._ask("start", str(cache), *globs))

    def wait(self, pid: int) -> int:
        """Waits for a refresh and gives its exit code, negative where a signal ended it."""
        return int(self._ask("wait", str(pid)))

    def kill_after(self, pid: int, seconds: float) -> bool:
        """Kills a refresh after some time, and says whether it had not ended before."""
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)  # it exists until somebody waits for it
        return self.wait(pid) == -signal.SIGKILL

    def _ask(self, *words: str) -> str:
        self._stdin.write(" ".join(words) + "\n")
        self._stdin.flush()
        return self._stdout.readline()
