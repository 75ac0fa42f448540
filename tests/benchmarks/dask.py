"""What Dask costs: the same refresh by local workers and by Dask's, side by side.

    python tests/benchmarks/dask.py                 all of timm, with one and with two workers
    python tests/benchmarks/dask.py --sample 100    every so many architectures of it

Each run is a process of its own with an empty cache. Its time is from its start to its end, importing and starting workers
included; CPU is user and system time of it and of every process it started. Where others use the machine, compare CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.pop(0)  # our own folder, in which dask.py is a benchmark
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): whose parents are gone becomes our child, and its CPU time ours

RUN = """
import json, sys, time
from zoo.batch.refresh import refresh
from zoo.batch.settings import Execution, RefreshSettings, ZooSettings
from zoo.records import Selection

if __name__ == "__main__":
    backend, workers, cache, names, arguments = sys.argv[1:]
    settings = ZooSettings(Selection(tuple(json.loads(names))))
    execution = Execution(backend=backend, workers=int(workers), arguments=json.loads(arguments))
    summary = refresh(RefreshSettings(cache, {"timm": settings}, fetch_accuracy=False, execution=execution))
    print(json.dumps([summary.planned, summary.counted, summary.failed]))
"""


class Times(NamedTuple):
    """What one run took."""

    wall_s: float
    cpu_s: float
    rows: list[int]  # planned, counted, failed


def measure(backend: str, workers: int, names: list[str], arguments: dict[str, int] | None = None) -> Times:
    """One refresh into an empty cache."""
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        script = Path(folder) / "run.py"
        script.write_text(RUN, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        asked = [backend, str(workers), str(Path(folder) / "cache"), json.dumps(names), json.dumps(arguments or {})]
        before, began = cpu_of_children(), time.perf_counter()
        done = subprocess.run([sys.executable, str(script), *asked], env=environment, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        await_orphans()
        return Times(wall, cpu_of_children() - before, json.loads(done.stdout.splitlines()[-1]))


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def await_orphans() -> None:
    """Waits for what a run left behind, such as fork servers, so that their time is known."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def sample_of(number: int | None) -> list[str]:
    import timm

    names = sorted(timm.list_models())
    return names if number is None else names[:: max(1, len(names) // number)][:number]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="number of architectures; default: all")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(_BECOME_REAPER, 1, 0, 0, 0)
    names = sample_of(asked.sample)
    say(f"{len(names):,} architectures of timm at their native inputs")
    for workers in asked.workers:
        local = measure("local", workers, names)
        show(f"{workers} local", local)
        one = {"n_workers": 1, "threads_per_worker": workers}
        each = {"n_workers": workers, "threads_per_worker": 1}
        for name, arguments in {"1 Dask worker": one, f"{workers} Dask workers": each}.items():
            if workers > 1 or name == "1 Dask worker":
                times = measure("dask", workers, names, dict(arguments))
                assert times.rows == local.rows, (times.rows, local.rows)
                show(f"{workers} in {name}", times, local)


def show(name: str, times: Times, against: Times | None = None) -> None:
    planned, counted, failed = times.rows
    said = f"{name:>20}: {times.wall_s:6.1f} s, CPU {times.cpu_s:6.1f} s; {counted} of {planned} rows, {failed} failed"
    if against:
        said += f"; over local: time {times.wall_s / against.wall_s - 1:+.1%}, CPU {times.cpu_s / against.cpu_s - 1:+.1%}"
    say(said)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
