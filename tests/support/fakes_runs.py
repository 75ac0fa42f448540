"""Refreshes in processes of their own, which a test can interrupt and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from fakes_installed import environment, write_distribution
from zoo_of_poison import set_pause

REFRESH = """
import sys
from zoo.refresh import committer as committing
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, Listener, ZooSettings

class Teller(Listener):
    def counted(self, key, status, reason):
        print("counted", key.arch, flush=True)
    def notify(self, message):
        print("says", message, flush=True)

committing.COMMIT_EVERY_S = float(sys.argv[3])
execution = Execution(workers=int(sys.argv[2]), timeout_s=600)
summary = refresh(RefreshSettings(sys.argv[1], {"slow": ZooSettings()}, execution=execution), Teller())
print("ended", summary.interrupted, flush=True)
"""


class Run:
    """A refresh of the slow zoo in a process of its own."""

    def __init__(self, folder: Path, *, workers: int, pause: float, commit_every_s: float = 4.0) -> None:
        self.folder, self.cache = folder, folder / "cache"
        write_distribution(folder, slow="zoo_of_poison:SlowZoo")
        set_pause(folder, pause)
        arguments = [sys.executable, "-c", REFRESH, str(self.cache), str(workers), str(commit_every_s)]
        self.process = subprocess.Popen(
            arguments, env=environment(folder), stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self._lines = iter(self.process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, beginning: str) -> str:
        """Waits for a line."""
        return next(line.removeprefix(beginning).strip() for line in self._lines if line.startswith(beginning))

    def counted(self, number: int) -> list[str]:
        """Waits for this many rows."""
        return [self.until("counted") for _ in range(number)]

    def interrupt(self) -> None:
        """Ctrl-C: a terminal tells the whole group of processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def rest(self) -> list[str]:
        return [line.strip() for line in self._lines]


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended; the container may not collect orphans that have."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_for_end_of(pids: list[int], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)
