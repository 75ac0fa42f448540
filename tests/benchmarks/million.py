"""A million jobs through plan, submission, committing and compaction: what the client needs for them.

    python tests/benchmarks/million.py                      1,000,000 architectures, each at its native input
    python tests/benchmarks/million.py --jobs 100000        fewer
    python tests/benchmarks/million.py --operations 20      with so many rows of the table `ops` for each; default: 4

Everything is the product's own but the cluster: a Dask client stands in for it, whose workers answer at once with rows made up
from the job's name, packed as real ones are. Making them up is part of the time. Memory is the largest resident set so far.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.pop(0)  # our own folder, in which dask.py is a benchmark
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow as pa

import zoo.dask_backend.client as dask_backend
from zoo.cache.changes import FIGURES
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import TABLES, columns_of
from zoo.cache.store import Store
from zoo.dask_backend.remote_worker import BatchResult
from zoo.jobs import Job, RunSummary
from zoo.records import Architecture, CostKey, Status, Task, Versions
from zoo.refresh.committer import count_and_commit
from zoo.refresh.plan import make_plan, requested_costs
from zoo.refresh.run_tables import plan_table
from zoo.settings import Execution, Listener, ZooSettings
from zoo.workers.job_rows import JobResult
from zoo.workers.local_pool import Packed
from zoo.workers.packing import pack

ZOO = "hub"
VERSIONS = Versions("1.0", "2.0", "3")
FAMILY = 100  # architectures
JOB_S = 0.05  # that a job is said to have taken, which is what a usual one does


def architectures(number: int) -> list[Architecture]:
    return [
        Architecture(ZOO, f"author_{i % 997:03}/model_{i:07}", Task.CLASSIFICATION, f"family_{i // FAMILY}", "3x224x224", 1000)
        for i in range(number)
    ]


class StubFuture:
    """A task that is done when it is asked for."""

    status = "finished"

    def __init__(self, jobs: Sequence[Job], operations: int) -> None:
        self._jobs, self._operations = jobs, operations

    def add_done_callback(self, tell: Callable[[Any], None]) -> None:
        tell(self)

    def result(self) -> BatchResult:
        began = time.thread_time()
        outcomes: list[tuple[Job, Packed]] = [
            (job, pack([count(key.cost_key, self._operations) for key in job.keys])) for job in self._jobs
        ]
        StubClient.made_up_s += time.thread_time() - began
        return BatchResult(outcomes, seconds=JOB_S * len(outcomes))

    def release(self) -> None: ...


class StubClient:
    """A cluster of 64 threads that have every answer ready."""

    operations = 0
    made_up_s = 0.0  # CPU time that making rows up has taken

    def nthreads(self) -> dict[str, int]:
        return {f"tcp://worker-{i}": 8 for i in range(8)}

    def submit(self, _: Any, jobs: Sequence[Job], *__: Any, **___: Any) -> StubFuture:
        return StubFuture(jobs, self.operations)

    def cancel(self, _: Any) -> None: ...


def count(key: CostKey, operations: int) -> JobResult:
    """Rows as a worker makes them, with figures that follow from the name."""
    number, now = zlib.crc32(key.arch.encode()), datetime.now(UTC)
    versions = {"library_version": VERSIONS.library, "torch_version": VERSIONS.torch, "counter_version": VERSIONS.counter}
    row = {**key._asdict(), **versions, **dict.fromkeys(FIGURES, number), "flops": 2 * number, "counted_at": now}
    row |= {"status": Status.EXACT.value, "operations": operations, "seconds": 0.1}
    if not operations:
        return JobResult(key, row, None)
    own = {"arch": key.arch, "counted_at": now}
    arrays = [
        pa.repeat(pa.scalar(own[field.name], field.type), operations) if field.name in own else array
        for field, array in zip(TABLES["ops"], operations_table(operations), strict=True)
    ]
    return JobResult(key, row, pa.Table.from_arrays(arrays, schema=TABLES["ops"]))


@functools.cache
def operations_table(rows: int) -> list[pa.Array]:
    """The rows of `ops` that every model has, column by column, but for its name and the moment."""
    columns: dict[str, list[Any]] = {
        "position": list(range(rows)),
        "module": [f"layers.{i}" for i in range(rows)],
        "calls": [1] * rows,
        "macs": [i * 10**6 for i in range(rows)],
    }
    shared = {**CostKey(ZOO, "", "3x224x224", 1000)._asdict(), "counted_at": datetime.now(UTC)}
    table = columns_of(
        "ops", rows, columns, shared | {"precision": "fp32", "layout": "nchw", "operation": "conv2d", "kind": "conv"}
    )
    return [column.combine_chunks() for column in table.columns]


@contextlib.contextmanager
def step(name: str, number: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    say(f"{name:>12}: {wall:7.1f} s, CPU {cpu:7.1f} s, {number / cpu:9,.0f} rows a CPU second; memory {peak_mb():6,.0f} MB")


def peak_mb() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--operations", type=int, default=4)
    asked = parser.parse_args()
    StubClient.operations = asked.operations
    mock.patch.object(dask_backend, "connected", return_value=contextlib.nullcontext(StubClient())).start()
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        run(asked.jobs, Store(Path(folder) / "cache"))


def run(number: int, store: Store) -> None:
    store.prepare()
    summary = RunSummary("million", started_at=datetime.now(UTC).isoformat())
    say(f"{number:,} jobs; with what is imported: memory {peak_mb():,.0f} MB")
    with step("list", number):
        listed = architectures(number)
    with step("plan", number):
        wanted = requested_costs(listed, ZooSettings(), ())
        plan = make_plan(wanted, {}, [store.costs()], {ZOO: VERSIONS}, listed)
        assert plan.to_count == number
    with step("keep plan", number):
        store.append("plans", plan_table(plan.costs).rows)
    with step("count", number):
        count_and_commit(plan, Execution(backend="dask"), store, summary, Listener(), {ZOO: VERSIONS})
        assert summary.counted == number, summary
    say(f"{'':>14}of this, CPU {StubClient.made_up_s:.1f} s for making rows up, as workers would elsewhere")
    say(f"{'':>14}{len(store.files.names('costs')):,} parts of costs, {len(store.files.names('ops')):,} of ops")
    with step("compact", number):
        done = {rewritten.table: rewritten for rewritten in compact(store)}
        assert done["costs"].rows == number
    size = sum(file.stat().st_size for file in Path(store.address).rglob("*.parquet")) / 1e6
    say(
        f"{'':>14}{done['costs'].files:,} parts of costs, {done['ops'].files:,} of ops with {done['ops'].rows:,} rows; {size:,.0f} MB"
    )
    del plan, wanted
    with step("plan again", number):
        wanted = requested_costs(listed, ZooSettings(), ())
        assert make_plan(wanted, {}, [store.costs(columns=PLANNED_BY)], {ZOO: VERSIONS}, listed).to_count == 0


PLANNED_BY = ["status", "reason", "fingerprint", "library_version", "torch_version", "counter_version"]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
