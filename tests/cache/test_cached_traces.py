"""Traces in the cache: planned and made when asked for, committed after their details, read back as they were made."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from cache_rows import NOON
from jobs_for_tests import job_of
from models_for_tests import build
from nets_for_tests import WIDTH
from typer.testing import CliRunner

import zoo
from reports.cli import app
from zoo.cache.health import lacking_details, verify
from zoo.cache.maintenance import compact, prune
from zoo.cache.schema.tables import TABLES, TRACE_KEY, table_of
from zoo.cache.store import Store, to_pandas
from zoo.counting.version import TRACER_VERSION
from zoo.errors import UnknownNameError
from zoo.estimation.workloads.workload import summarise
from zoo.jobs import Failure, Job, RunSummary
from zoo.recording.memo import Memo
from zoo.records import Architecture, CostKey, DeclaredModel, Selection, TraceKey, Versions
from zoo.refresh import committer as committing
from zoo.refresh.plan import make_plan, requested_traces
from zoo.refresh.refresh import refresh
from zoo.run_config import TRACED, Precision, RunConfig, parse_trace_mode
from zoo.settings import Execution, RefreshOptions, RefreshSettings, ZooSettings
from zoo.workers.trace_job import SUMMARY_COLUMNS

AMP, FULL = RunConfig(precision=Precision.AMP_FAST_NORM, layout="nhwc"), RunConfig()
BF16 = RunConfig(precision=Precision.BF16)
MODE = (AMP.precision, AMP.layout)
SIZE = 8
NETS = "nets_for_tests"


# What is planned

NOW = Versions("1.0", "2.14", "1")
NET = CostKey("timm", "net", "3x8x8", 10)
ARCHITECTURES = [Architecture("timm", "net", "classification", "nets", "3x8x8", 10)]


def cached(table: str, *rows: dict[str, Any]) -> pd.DataFrame:
    common = {
        "status": "exact",
        "library_version": NOW.library,
        "torch_version": NOW.torch,
        "counter_version": NOW.counter,
        "tracer_version": TRACER_VERSION,
        "counted_at": NOON,
    }
    return to_pandas(table_of(table, [{**common, **row} for row in rows]))


def jobs_for(
    wanted: dict[CostKey, Failure | None], traces: pd.DataFrame, *modes: RunConfig, has_costs: bool = False
) -> tuple[Job, ...]:
    costs = cached("costs", *(key._asdict() for key in wanted if has_costs))
    return tuple(make_plan(wanted, requested_traces(wanted, modes), [costs, traces], {"timm": NOW}, ARCHITECTURES).jobs())


def test_traces_are_made_of_the_build_that_is_counted() -> None:
    larger = NET._replace(input="3x16x16")
    (job,) = jobs_for(dict.fromkeys([NET, larger]), cached("traces"), FULL, AMP)
    assert [key for key in job.keys if isinstance(key, CostKey)] == [NET, larger]
    traces = {TraceKey(*key, mode.precision, mode.layout) for key in (NET, larger) for mode in (FULL, AMP)}
    assert {key for key in job.keys if isinstance(key, TraceKey)} == traces
    assert [key.input for key in job.keys] == ["3x8x8"] * 3 + ["3x16x16"] * 3
    assert [one.keys for one in job.split()] == [(key,) for key in job.keys]


def test_a_trace_is_of_one_batch_whichever_are_counted() -> None:
    batches: dict[CostKey, Failure | None] = {NET._replace(batch=batch): None for batch in (4, 8)}
    assert set(requested_traces(batches, [AMP])) == {TraceKey(*NET, *MODE)}
    jobs = [job.keys for job in jobs_for(batches, cached("traces"), AMP)]
    assert sorted(jobs) == sorted([(TraceKey(*NET, *MODE),), *((key,) for key in batches)])


def test_what_makes_no_sense_to_count_is_not_traced_either() -> None:
    failure = Failure("plan", "", "no")
    plan = make_plan({NET: failure}, requested_traces({NET: failure}, [AMP]), [cached("costs")], {"timm": NOW}, ARCHITECTURES)
    assert list(plan.jobs()) == []
    assert plan.known_failures == {NET: failure, TraceKey(*NET, *MODE): failure}
    assert plan.to_count == plan.rows == 2


TRACE = {**NET._asdict(), "precision": AMP.precision, "layout": AMP.layout}


@pytest.mark.parametrize(
    ("row", "is_made"),
    [
        ({}, False),
        ({"precision": "amp"}, True),
        ({"layout": "nchw"}, True),
        ({"status": "failed", "reason": "trace: ValueError: half"}, False),
        ({"status": "failed", "reason": "timeout: not counted"}, True),
        ({"fingerprint": "of other source"}, True),
        *(({column: "0"}, True) for column in ("library_version", "torch_version", "counter_version", "tracer_version")),
        ({"tracer_version": None}, True),
    ],
)
def test_a_trace_is_made_again_where_a_count_would_be_and_for_another_tracer(row: dict[str, Any], is_made: bool) -> None:
    jobs = jobs_for({NET: None}, cached("traces", {**TRACE, **row}), AMP, has_costs=True)
    assert jobs == ((job_of("timm", "net", 10, (), family="nets", traces=(("3x8x8", *MODE),)),) if is_made else ())


@pytest.mark.parametrize(("text", "mode"), [("fp32", FULL), (" AMP-fast-norm/NHWC ", AMP), ("bf16/nchw", BF16)])
def test_a_mode_is_a_precision_and_a_layout(text: str, mode: RunConfig) -> None:
    assert parse_trace_mode(text) == mode
    assert parse_trace_mode(parse_trace_mode(text).trace_mode) == mode


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amp-fst", "'amp-fst' names no precision. Did you mean amp-fast-norm"),
        ("int8", f"Known: {', '.join(sorted(TRACED))}"),
        ("amp/chwn", "'amp/chwn' names no layout. Write amp/nchw or amp/nhwc."),
        ("amp/", "'amp/' names no layout"),
    ],
)
def test_a_mode_that_there_is_not_is_refused(text: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        parse_trace_mode(text)


# What is made of it, by real workers


def settings(cache: Path, *modes: RunConfig) -> RefreshSettings:
    models = (
        DeclaredModel("twice", f"{NETS}:convolution", inputs=(f"{WIDTH}x{SIZE}x{SIZE}",)),
        DeclaredModel("full", f"{NETS}:OnlyInFullPrecision", inputs=(f"3x{SIZE}x{SIZE}",)),
    )
    zoos = {"mine": ZooSettings(batches=(1, 4), models=models)}
    return RefreshSettings(str(cache), zoos, execution=Execution(workers=1), traces=modes)


def workload_of(store: Store, arch: str, mode: RunConfig, **equal: Any) -> list[dict[str, Any]]:
    """As `summarise` gives it."""
    rows = store.workloads(arch=arch, precision=mode.precision, layout=mode.layout, columns=SUMMARY_COLUMNS, **equal)
    return [{str(name): value for name, value in row.items()} for row in rows.sort_values("position").to_dict("records")]


@dataclasses.dataclass(frozen=True)
class Traced:
    store: Store
    summary: RunSummary
    folder: Path

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.folder, folder / "cache"))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    folder = tmp_path_factory.mktemp("traced") / "cache"
    return Traced(Store(folder), refresh(settings(folder, FULL, AMP)), folder)


def test_a_trace_that_cannot_be_made_is_a_row_with_the_reason(traced: Traced) -> None:
    rows = traced.store.traces().set_index(["arch", "precision", "layout"])
    assert len(rows) == 4
    failed = rows.loc[[("full", *MODE)]].iloc[0]
    assert (failed["status"], failed["reason"]) == ("failed", "trace: ValueError: half is not enough")
    assert failed[["macs", "operations", "seconds"]].isna().all()
    others = rows.drop(index=("full", *MODE))
    assert (others["status"] == "exact").all()


def test_the_run_goes_on_and_says_what_there_is_not(traced: Traced) -> None:
    summary = traced.summary
    assert (summary.planned, summary.counted, summary.failed, summary.failing) == (4, 4, 0, 0)  # costs at two batches
    assert (summary.traces_planned, summary.traced, summary.untraced) == (4, 3, 1)
    (failure,) = summary.trace_failures
    assert (failure.mode, failure.models) == ("amp-fast-norm/nhwc", ("mine/full 3x8x8",))


def test_figures_are_those_of_one_image(traced: Traced) -> None:
    macs = 2 * WIDTH * WIDTH * 9 * SIZE * SIZE
    costs = traced.store.costs(arch="twice").set_index("batch")["macs"]
    assert costs.to_dict() == {1: macs, 4: 4 * macs}
    assert set(traced.store.traces(arch="twice")["macs"]) == {macs}
    rows = traced.store.workloads(arch="twice", precision="fp32")
    assert (rows["calls"] * rows["macs"]).sum() == macs


def test_a_workload_has_a_row_for_each_distinct_call(traced: Traced) -> None:
    rows = traced.store.workloads(
        arch="twice", precision="fp32", layout="nchw", columns=["position", "operation", "module", "calls"]
    )
    assert rows.to_dict("records") == [
        {"position": 0, "operation": "conv2d", "module": "0", "calls": 2},
        {"position": 1, "operation": "relu", "module": "1", "calls": 1},
    ]


def test_the_schema_has_the_columns_of_a_workload(traced: Traced) -> None:
    from nets_for_tests import convolution

    trace = zoo.trace(convolution(), (WIDTH, SIZE, SIZE), precision=AMP.precision, layout=AMP.layout)
    rows = summarise(trace)
    assert all(sorted(row) == sorted(SUMMARY_COLUMNS) for row in rows)
    assert [*TRACE_KEY, *SUMMARY_COLUMNS, "counted_at"] == TABLES["workloads"].names
    assert sum(row["calls"] for row in rows) == len(trace.calls)
    assert sum(row["calls"] * row["free_macs"] for row in rows) == trace.batch_free_macs
    assert workload_of(traced.store, "twice", AMP) == rows


def test_nothing_is_traced_unless_it_is_asked_for(tmp_path: Path) -> None:
    summary = refresh(settings(tmp_path / "cache"))
    store = Store(tmp_path / "cache")
    assert (summary.counted, summary.traces_planned, summary.traced) == (4, 0, 0)
    assert len(store.traces()) == len(store.workloads()) == 0


def test_a_second_run_traces_nothing_and_still_says_what_there_is_not(traced: Traced, tmp_path: Path) -> None:
    summary = refresh(settings(traced.copy(tmp_path), FULL, AMP))
    assert (summary.counted, summary.traced, summary.untraced) == (0, 0, 0)
    assert summary.trace_failures == traced.summary.trace_failures


def test_another_mode_and_another_version_trace_only_what_they_concern(
    traced: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = traced.copy(tmp_path)
    summary = refresh(settings(cache, FULL, BF16), request=RefreshOptions(only=("twice",)))
    assert (summary.counted, summary.traces_planned, summary.traced) == (0, 2, 1)
    monkeypatch.setattr("zoo.refresh.plan.TRACER_VERSION", "another")
    summary = refresh(settings(cache, FULL), request=RefreshOptions(only=("twice",)))
    assert (summary.counted, summary.traced) == (0, 1)
    store = Store(cache)
    assert len(store.read("traces", ["arch"])) == 4 + 1 + 1
    assert len(store.traces()) == 4 + 1
    assert store.workloads(arch="twice", precision="fp32")["position"].tolist() == [0, 1]  # only those of the newest
    assert len(prune(store, datetime.now(UTC))) == 7  # costs, ops, traces, workloads, runs, plans, results
    assert len(store.read("traces", ["arch"])) == len(store.traces()) == 4 + 1
    assert workload_of(store, "twice", FULL) == workload_of(traced.store, "twice", FULL)
    assert not list(verify(store))


def test_lost_workloads_are_found_and_made_again(traced: Traced, tmp_path: Path) -> None:
    cache = traced.copy(tmp_path)
    for path in (cache / "workloads").glob("*.parquet"):
        path.write_bytes(b"damaged")
    store = Store(cache)
    assert {key[1] for key in lacking_details(store, "workloads")} == {"twice", "full"}
    assert any("traces lack their workloads" in finding.what for finding in verify(store))
    summary = refresh(settings(cache, FULL, AMP))
    assert (summary.counted, summary.traced, summary.untraced) == (0, 3, 0)
    assert lacking_details(Store(cache), "workloads") == set()


def test_details_are_written_before_what_they_belong_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    append = Store.append

    def note(store: Store, name: str, *args: Any, **kwargs: Any) -> str | None:
        file = append(store, name, *args, **kwargs)
        written.extend([name] if file else [])
        return file

    monkeypatch.setattr(Store, "append", note)
    monkeypatch.setattr(committing, "COMMIT_EVERY_S", 0.0)
    refresh(settings(tmp_path / "cache", FULL))
    own = [name for name in written if name in ("workloads", "traces")]
    assert own.count("workloads") == own.count("traces") > 0
    assert own == ["workloads", "traces"] * own.count("traces")


def test_workloads_of_a_trace_that_was_never_committed_are_not_read_and_go(traced: Traced, tmp_path: Path) -> None:
    cache = traced.copy(tmp_path)
    for path in (cache / "traces").glob("*.parquet"):
        path.unlink()
    store = Store(cache)
    assert len(store.workloads()) == 0
    assert [finding.what for finding in verify(store)] == ["workloads: details of 3 counts that were never committed"]
    refresh(settings(cache, FULL, AMP))
    assert len(store.workloads()) == len(traced.store.workloads())


def test_compaction_keeps_traces_whole(traced: Traced, tmp_path: Path) -> None:
    store = Store(traced.copy(tmp_path))
    for minutes in range(3):  # others, older than those
        row = {**TRACE, "status": "failed", "counted_at": NOON + timedelta(minutes=minutes)}
        store.append("traces", table_of("traces", [row]))
    compact(store)
    assert len(store.files.names("traces")) == 1
    assert store.read("traces").num_rows == 4 + 3
    assert workload_of(store, "twice", AMP) == workload_of(traced.store, "twice", AMP)


def test_traces_are_kept_at_an_address_as_in_a_folder(traced: Traced) -> None:
    store = Store("memory://traced")
    store.prepare()
    try:
        for name in ("workloads", "traces", "ops", "costs"):
            whole = traced.store.read(name)
            for start in (0, len(whole) // 2):
                store.append(name, whole.slice(start, len(whole) - len(whole) // 2 if start else len(whole) // 2))
        compact(store)
        assert len(store.files.names("traces")) == len(store.files.names("workloads")) == 1
        assert not list(verify(store))
        assert workload_of(store, "twice", AMP) == workload_of(traced.store, "twice", AMP)
        assert len(store.workloads()) == len(traced.store.workloads())
        assert [one.rows for one in prune(store, datetime.now(UTC)) if one.table == "traces"] == [4]
        assert workload_of(store, "full", FULL) == workload_of(traced.store, "full", FULL)
    finally:
        fsspec.filesystem("memory").rm("/traced", recursive=True)


CONFIG = f"""
cache: CACHE
zoos:
  mine:
    models:
      - {{name: full, factory: "{NETS}:OnlyInFullPrecision", inputs: ["3x{SIZE}x{SIZE}"]}}
traces: TRACES
reports: []
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(CONFIG.replace("CACHE", str(tmp_path / "cache")).replace("TRACES", "fp32"))
    return path


def test_a_run_prints_what_became_of_the_traces(config: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(config), "--traces", "amp/nhwc", "--traces", "fp32", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "traced    1  traces made now; 0 are from the cache" in done.output
    assert "untraced  1  traces could not be made" in done.output
    assert "Not traced in amp/nhwc: mine/full 3x8x8: trace: ValueError: half is not enough" in done.output
    again = CliRunner().invoke(app, ["run", str(config)])
    assert "traced    0  traces made now; 1 are from the cache" in again.output


def test_a_wrong_mode_is_refused_with_its_line(config: Path) -> None:
    config.write_text(config.read_text().replace("traces: fp32", "traces: [fp32, fp61]"))
    done = CliRunner().invoke(app, ["run", str(config)])
    assert done.exit_code == 2
    assert "line 7: traces[1]: 'fp61' names no precision. Did you mean fp16" in done.output
    config.write_text(config.read_text().replace("traces: [fp32, fp61]", "trace: fp32"))
    assert "trace is not a known key. Did you mean traces or " in CliRunner().invoke(app, ["run", str(config)]).output


SAMPLE = """
    resnet18 vit_tiny_patch16_224 convnext_zepto_rms mobilenetv3_small_050 regnetx_002 ghostnet_050 levit_128s mobilevit_xxs
    edgenext_xx_small efficientvit_b0 efficientvit_m0 pit_ti_224 swinv2_tiny_window8_256 xcit_nano_12_p8_224 poolformerv2_s12
    starnet_s050 lcnetv2_small tiny_vit_5m_224 convit_tiny nf_regnet_b0""".split()


@pytest.mark.slow
def test_cached_workloads_of_many_families_equal_those_made_directly(tmp_path: Path) -> None:
    modes = (FULL, AMP)
    zoos = {"timm": ZooSettings(Selection(include=tuple(SAMPLE)))}
    chosen = RefreshSettings(str(tmp_path), zoos, fetch_accuracy=False, execution=Execution(workers=2), traces=modes)
    summary = refresh(chosen)
    assert summary.untraced == 0
    assert refresh(chosen).traced == 0
    store, memo = Store(tmp_path), Memo()
    rows = store.traces(columns=["macs", "operations"])
    work = store.workloads(columns=["arch", "precision", "calls", "macs", "free_macs"])
    work["macs"] = work["calls"] * (work["macs"] + work["free_macs"])
    work = work.groupby(["arch", "precision"])[["calls", "macs"]].sum()
    compared = 0
    for arch in SAMPLE:
        native = store.costs(arch=arch, columns=["macs"]).iloc[0]
        for mode in modes:
            key = TraceKey("timm", arch, native["input"], int(native["classes"]), precision=mode.precision, layout=mode.layout)
            own = build(f"timm/{arch}")
            if "x".join(map(str, own.shape)) != key.input:
                continue  # the first row may be of other weights
            trace = zoo.trace(own.model, own.shape, precision=mode.precision, layout=mode.layout, memo=memo)
            assert workload_of(store, arch, mode, input=key.input, classes=key.classes) == summarise(trace), (arch, mode)
            compared += 1
    assert compared > len(SAMPLE) * 1.5
    assert (rows.groupby(["arch", "precision"])["macs"].sum() == work["macs"]).all()
    assert (rows.groupby(["arch", "precision"])["operations"].sum() == work["calls"]).all()
