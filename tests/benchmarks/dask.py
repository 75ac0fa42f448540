"""What Dask costs: the same refresh by local workers and by Dask's, side by side, in turns.

    python tests/benchmarks/dask.py                           all of timm, with one and with two workers, three times each
    python tests/benchmarks/dask.py --sample 100 --rounds 5   every so many architectures of it, more often

Each run is a process of its own with an empty cache; a run with Dask starts its scheduler and its workers as well. *Whole* is the
time from the start of the process until all rows are committed, importing and starting workers included; *counting* is the part
of it from the first row on. CPU is user and system time of the process and of every process it started. Figures are medians of
the rounds. Where others use the machine, compare CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.pop(0)  # our own folder, in which dask.py is a benchmark
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): whose parents are gone becomes our child, and its CPU time ours

RUN = """
import json, sys, time
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, Listener, ZooSettings
from zoo.records import Selection

class Watch(Listener):
    first_row = None

    def counted(self, key, status, reason):
        self.first_row = self.first_row or time.time()

if __name__ == "__main__":
    began, execution, cache, names = sys.argv[1:]
    settings = RefreshSettings(
        cache,
        {"timm": ZooSettings(Selection(tuple(json.loads(names))))},
        fetch_accuracy=False,
        execution=Execution(**json.loads(execution)),
    )
    watch = Watch()
    summary = refresh(settings, watch)
    done = time.time()
    print(json.dumps([done - float(began), done - watch.first_row, [summary.planned, summary.counted, summary.failed]]))
"""


class Times(NamedTuple):
    """What one run took, or the medians of several."""

    whole_s: float
    counting_s: float
    cpu_s: float


def ways(workers: int) -> dict[str, dict[str, Any]]:
    """The executions to compare; the first is the one that the others are compared with."""
    each = {"n_workers": workers, "threads_per_worker": 1}
    return {
        f"local, {_number(workers, 'worker')}": {"workers": workers},
        f"Dask, {_number(workers, 'worker')}": {"backend": "dask", "arguments": each},
        f"Dask, {_number(workers, 'worker')}, each a process": {"backend": "dask", "arguments": {**each, "processes": True}},
    }


def measure(execution: Mapping[str, Any], names: Sequence[str]) -> tuple[Times, list[int]]:
    """One refresh into an empty cache: its times; and its rows that were planned, were counted, and failed."""
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        script = Path(folder) / "run.py"
        script.write_text(RUN, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        asked = [json.dumps(execution), str(Path(folder) / "cache"), json.dumps(names)]
        before = cpu_of_children()
        command = [sys.executable, str(script), str(time.time()), *asked]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        await_orphans()
        whole_s, counting_s, rows = json.loads(done.stdout.splitlines()[-1])
        return Times(whole_s, counting_s, cpu_of_children() - before), rows


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
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(_BECOME_REAPER, 1, 0, 0, 0)
    names = sample_of(asked.sample)
    say(f"{len(names):,} architectures of timm at their native inputs")
    taken: dict[str, list[Times]] = defaultdict(list)
    rows: list[list[int]] = []
    for number in range(1, asked.rounds + 1):
        for workers in asked.workers:
            for name, execution in ways(workers).items():
                times, of_this = measure(execution, names)
                taken[name].append(times)
                rows.append(of_this)
                say(f"round {number}, {name}: {_words(times)}")
    assert all(of_this == rows[0] for of_this in rows), rows
    planned, counted, failed = rows[0]
    say(f"Each run: {counted} of {planned} rows counted, {failed} failed. Medians of {_number(asked.rounds, 'round')}:")
    for workers in asked.workers:
        local, *others = ways(workers)
        show(local, taken[local])
        for name in others:
            show(name, taken[name], taken[local])


def show(name: str, taken: Sequence[Times], against: Sequence[Times] = ()) -> None:
    times = _medians(taken)
    line = f"{name:>32}: {_words(times)}"
    if against:
        over = [f"{own / other - 1:+.1%}" for own, other in zip(times, _medians(against), strict=True)]
        line += f"; over local: whole {over[0]}, counting {over[1]}, CPU {over[2]}"
    say(line)


def _medians(taken: Sequence[Times]) -> Times:
    return Times(*map(statistics.median, zip(*taken, strict=True)))


def _words(times: Times) -> str:
    return f"whole {times.whole_s:6.1f} s, counting {times.counting_s:6.1f} s, CPU {times.cpu_s:6.1f} s"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
