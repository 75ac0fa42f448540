"""Everything the zoos have: each architecture is counted exactly at its native input, however the work is done."""

from __future__ import annotations

from typing import Any

import pytest
from fakes_default_run import DefaultRun
from jobs_for_tests import job_of

from zoo.adapters.registry import open_zoo
from zoo.cache.store import Store
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model, meta_input
from zoo.inputs import parse_input
from zoo.jobs import Failure, Job
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import Architecture, CostKey, Task
from zoo.settings import Execution
from zoo.workers.job import JobRunner
from zoo.workers.local_pool import preload_workers, run_jobs

pytestmark = pytest.mark.slow

TIMM = open_zoo("timm").architectures()
TORCHVISION = [
    a for a in open_zoo("torchvision").architectures() if a.task == Task.CLASSIFICATION and not a.name.startswith("quantized_")
]
SAMPLE = [*TIMM[::25], *TORCHVISION[::8]]
SHIFTING = ("seconds", "counted_at")  # columns that differ from run to run


def job_for(architecture: Architecture) -> Job:
    return job_of(architecture.zoo, architecture.name, architecture.classes, (architecture.input,), family=architecture.family)


def count_all(architectures: list[Architecture], workers: int) -> dict[CostKey, dict[str, Any]]:
    """The cost rows of a run by this many processes."""
    preload_workers(["zoo.adapters.timm", "zoo.adapters.torchvision.zoo"])
    rows: dict[CostKey, dict[str, Any]] = {}
    for job, outcome in filter(None, run_jobs([job_for(a) for a in architectures], Execution(workers=workers), lambda: None)):
        assert not isinstance(outcome, Failure), f"{job.arch}: {outcome}"
        rows |= {counted.key: counted.row for counted in outcome if isinstance(counted.key, CostKey)}
    return rows


def assert_as_in(rows: dict[CostKey, dict[str, Any]], found: dict[CostKey, dict[str, Any]]) -> None:
    """That what was found is also what the run over everything has."""
    assert found
    for key, row in found.items():
        lasting = {name: value for name, value in row.items() if name not in SHIFTING}
        assert lasting == {name: rows[key][name] for name in lasting}, key


@pytest.fixture(scope="module")
def rows(default_run: DefaultRun) -> dict[CostKey, dict[str, Any]]:
    """The cost row of everything at its native input, from a run by two processes over all sizes."""
    wanted = {key for architecture in (*TIMM, *TORCHVISION) for key in job_for(architecture).keys}
    costs = Store(default_run.cache).costs().astype(object)
    records = costs.where(costs.notna(), None).to_dict("records")
    found = {
        CostKey(*(row[name] for name in CostKey._fields)): {str(name): value for name, value in row.items()} for row in records
    }
    return {key: row for key, row in found.items() if key in wanted}


def test_the_zoos_are_as_large_as_is_known() -> None:
    assert len(TORCHVISION) == 80
    if open_zoo("timm").version() == "1.0.31":
        assert len(TIMM) == 1371


def test_everything_is_counted_exactly(rows: dict[CostKey, dict[str, Any]]) -> None:
    assert len(rows) == len(TIMM) + len(TORCHVISION)
    assert {f"{key.zoo}/{key.arch}": row["reason"] for key, row in rows.items() if row["status"] != "exact"} == {}


def test_figures_of_everything_fit_each_other(rows: dict[CostKey, dict[str, Any]]) -> None:
    for key, row in rows.items():
        parts = (row["macs_conv"], row["macs_linear"], row["macs_bmm"], row["macs_attention"])
        assert row["macs"] == sum(parts) > 0, key
        assert row["flops"] == 2 * row["macs"], key
        assert row["params"] > 0, key
        assert row["weight_bytes"] >= 4 * row["params"], key  # float32, and buffers
        assert row["operations"] > 0, key
        assert row["peak_activation_bytes"] >= 4 * max(key.classes or 0, 1), key  # the output at least is alive
        assert row["bytes_written"] >= row["peak_activation_bytes"], key  # all that lives was written once


def test_one_process_counts_as_two(rows: dict[CostKey, dict[str, Any]]) -> None:
    assert_as_in(rows, count_all(SAMPLE, workers=1))


def count_cold(architecture: Architecture, memo: Memo | None) -> Cost:
    zoo = open_zoo(architecture.zoo)
    options = zoo.build_options(CostKey(zoo.name, architecture.name, architecture.input, architecture.classes))
    model = build_on_meta(lambda: zoo.build(architecture.name, options), zoo.initialisers())
    return count_model(model, [meta_input(parse_input(architecture.input))], memo)


@pytest.mark.parametrize("architecture", SAMPLE, ids=lambda a: f"{a.zoo}-{a.name}")
def test_what_is_remembered_changes_no_figure(rows: dict[CostKey, dict[str, Any]], architecture: Architecture) -> None:
    """Without a memo, with an empty one, and with one that has seen the same model: all as in the run over everything."""
    memo = Memo()
    costs = [count_cold(architecture, None), count_cold(architecture, memo), count_cold(architecture, memo)]
    row = rows[job_for(architecture).keys[0].cost_key]
    names = ("params", "buffers", "weight_bytes", "macs", "activations", "bytes_read", "bytes_written", "operations")
    for name in (*names, "peak_activation_bytes", "peak_module"):
        assert [getattr(cost, name) for cost in costs] == [row[name]] * 3, name
    assert costs[0].rows == costs[1].rows == costs[2].rows


def test_the_order_of_the_work_changes_no_figure(rows: dict[CostKey, dict[str, Any]]) -> None:
    runner = JobRunner()
    counted = [result for a in reversed(SAMPLE) for result in runner.run(job_for(a))]
    assert_as_in(rows, {result.key.cost_key: result.row for result in counted})
