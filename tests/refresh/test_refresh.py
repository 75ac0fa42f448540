"""Real refreshes of a few small models: what the tables hold, what is counted again, and what a killed run leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pooch
import pyarrow.parquet as pq
import pytest
import timm
import torch
import torchvision
from fakes_damage import truncate
from fakes_installed import environment, installed
from fakes_refreshed import RESULTS, Listening, Refreshed, refresh_in, settings_for
from fakes_runs import Run, is_running, wait_for_end_of
from paths import SUPPORT
from zoo_of_poison import SlowZoo, noted_processes, set_pause

from zoo.accuracy.result_tables import MAIN_TABLE
from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance
from zoo.adapters.fingerprint import fingerprint
from zoo.adapters.registry import open_zoo
from zoo.cache.schema.tables import KEY, TABLES, table_of
from zoo.cache.store import Store, to_pandas
from zoo.counting.version import COUNTER_VERSION
from zoo.errors import BusyError, UnknownNameError
from zoo.records import Status
from zoo.refresh import catalogue
from zoo.refresh.catalogue import list_zoos
from zoo.refresh.plan import cost_keys
from zoo.refresh.refresh import _exclusive, refresh
from zoo.settings import Execution, RefreshOptions, RefreshSettings, ZooSettings
from zoo.workers.job import current_versions

SHIFTING = ["seconds", "counted_at", "run"]  # columns that differ from run to run


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Refreshed:
    return refresh_in(tmp_path_factory.mktemp("refresh"))


def table(cache: Path, name: str) -> pd.DataFrame:
    return to_pandas(Store(cache).read(name))


def files(cache: Path) -> set[Path]:
    return {path.relative_to(cache) for path in cache.rglob("*") if path.is_file()}


def test_nothing_is_downloaded(refreshed: Refreshed) -> None:
    assert refreshed.requests == []
    suffixes = {path.suffix for path in (refreshed.folder / "home").rglob("*") if path.is_file()}
    assert not suffixes & {".pth", ".pt", ".bin", ".safetensors", ".csv", ".lock"}


def test_costs_are_those_asked_for_and_where_accuracy_is_known(refreshed: Refreshed) -> None:
    costs = table(refreshed.cache, "costs")
    rows = dict(
        zip(map(tuple, costs[["zoo", "arch", "input", "classes"]].astype(object).to_numpy()), costs["status"], strict=True)
    )
    trained = [w for w in timm.models.get_arch_pretrained_cfgs("resnet18").values() if w.has_weights]
    natives = {("timm", "resnet18", "x".join(map(str, w.input_size)), w.num_classes) for w in trained}
    exact = natives | {
        ("timm", "resnet18", "3x288x288", 1000),
        ("timm", "test_vit", "3x160x160", 1000),
        ("timm", "test_resnet", "3x160x160", 1000),
        ("torchvision", "resnet18", "3x224x224", 1000),
        ("torchvision", "googlenet", "3x224x224", 1000),
        ("torchvision", "raft_small", "3x512x512", pd.NA),
    }
    failed = {("torchvision", "raft_small", "3x64x64", pd.NA)}
    assert rows == dict.fromkeys(exact, Status.EXACT) | dict.fromkeys(failed, Status.FAILED)
    assert len(costs) == len(rows)
    summary = refreshed.summary
    assert (summary["planned"], summary["counted"], summary["failed"]) == (len(rows), len(exact), len(failed))
    assert (summary["added"], summary["changed"], summary["removed"], summary["interrupted"]) == (len(rows), 0, 0, False)


def test_two_zoos_agree_about_the_same_network(refreshed: Refreshed) -> None:
    costs = table(refreshed.cache, "costs")
    same = costs[(costs["arch"] == "resnet18") & (costs["input"] == "3x224x224") & (costs["classes"] == 1000)]
    assert set(same["zoo"]) == {"timm", "torchvision"}
    assert set(same["params"]) == {11_689_512}  # published
    for figure in ("macs", "activations", "weight_bytes", "macs_conv", "macs_linear"):
        assert len(set(same[figure])) == 1


def test_costs_name_the_versions_they_depend_on(refreshed: Refreshed) -> None:
    costs = table(refreshed.cache, "costs")
    versions = costs[["zoo", "library_version", "torch_version", "counter_version"]].drop_duplicates()
    torch_version = torch.__version__.partition("+")[0]
    assert {tuple(row) for row in versions.itertuples(index=False)} == {
        ("timm", timm.__version__, torch_version, COUNTER_VERSION),
        ("torchvision", torchvision.__version__.partition("+")[0], torch_version, COUNTER_VERSION),
    }


def test_totals_are_the_sums_of_their_parts(refreshed: Refreshed) -> None:
    costs = table(refreshed.cache, "costs").query("status == 'exact'").set_index(list(KEY)).sort_index()
    assert (costs["macs"] == costs[["macs_conv", "macs_linear", "macs_bmm", "macs_attention"]].sum(axis=1)).all()
    assert (costs["flops"] == 2 * costs["macs"]).all()
    operations = table(refreshed.cache, "ops").groupby(list(KEY), dropna=False)  # optical flow has no classes
    for total, part in (("macs", "macs"), ("operations", "calls"), ("bytes_read", "bytes_in"), ("bytes_written", "bytes_out")):
        sums = operations[part].sum().sort_index()
        pd.testing.assert_series_equal(sums, costs[total], check_names=False, check_dtype=False)
    assert (operations["position"].nunique() == operations.size()).all()


def test_operations_belong_to_a_cost_by_key_and_time(refreshed: Refreshed) -> None:
    costs, operations = table(refreshed.cache, "costs"), table(refreshed.cache, "ops")
    joined = operations.merge(costs, on=[*KEY, "counted_at"])
    assert len(joined) == len(operations)


def test_failed_rows_have_no_figures_and_no_operations(refreshed: Refreshed) -> None:
    costs, operations = table(refreshed.cache, "costs"), table(refreshed.cache, "ops")
    (failed,) = costs[costs["status"] == "failed"].to_dict("records")
    assert failed["reason"] == "input: input must be at least 128x128"
    figures = [field.name for field in TABLES["costs"] if str(field.type) == "int64" and field.name not in KEY]
    assert all(pd.isna(failed[name]) for name in figures)
    assert failed["input"] not in set(operations["input"])


def test_lists_hold_everything_that_exists(refreshed: Refreshed) -> None:
    weights, architectures = table(refreshed.cache, "weights"), table(refreshed.cache, "architectures")
    assert set(architectures.loc[architectures["zoo"] == "timm", "arch"]) == set(timm.list_models())
    named = weights["arch"] + "." + weights["tag"]
    assert sorted(named[weights["zoo"] == "timm"]) == sorted(timm.list_pretrained())
    assert set(architectures.loc[architectures["zoo"] == "torchvision", "arch"]) == set(torchvision.models.list_models())
    assert len(weights.drop_duplicates(["zoo", "arch", "tag"])) == len(weights)
    notes = architectures.dropna(subset="note")
    assert {"googlenet", "inception_v3", "fcn_resnet50", "maskrcnn_resnet50_fpn", "quantized_resnet18"} <= set(notes["arch"])


def test_accuracy_and_what_did_not_join_are_kept(refreshed: Refreshed) -> None:
    accuracy = table(refreshed.cache, "accuracy")
    of_timm = accuracy[(accuracy["zoo"] == "timm") & (accuracy["metric"] == "top1")]
    assert {(r.arch, r.tag, r.input): r.value for r in of_timm.itertuples()} == {
        ("resnet18", "a1_in1k", "3x224x224"): 71.5,
        ("resnet18", "a1_in1k", "3x288x288"): 73.1,
        ("test_vit", "r160_in1k", "3x160x160"): 40.0,
    }
    assert list(table(refreshed.cache, "unmatched")["name"]) == ["resnet_of_yore.in1k"]


def test_a_run_leaves_a_row(refreshed: Refreshed) -> None:
    (run,) = table(refreshed.cache, "runs").to_dict("records")
    summary = refreshed.summary
    for name in ("run", "planned", "counted", "failed", "unsupported", "added", "changed", "removed", "seconds"):
        assert run[name] == summary[name]
    assert run["started_at"] == datetime.fromisoformat(summary["started_at"])
    assert (run["status"], run["failing"]) == ("done", 0)
    assert run["finished_at"] > run["started_at"]
    assert set(table(refreshed.cache, "costs")["run"]) == {run["run"]}
    plans = table(refreshed.cache, "plans")
    assert set(plans["plan"]) == {run["plan"]}
    assert sorted(map(str, cost_keys(plans))) == sorted(map(str, cost_keys(table(refreshed.cache, "costs"))))
    assert run["versions"] == f"timm {timm.__version__}, torchvision {torchvision.__version__.partition('+')[0]}"


def test_pandas_reads_the_costs_as_they_are(refreshed: Refreshed) -> None:
    frame = pd.read_parquet(refreshed.cache / "costs")
    assert frame.set_index(["zoo", "arch", "input"]).loc[("torchvision", "resnet18", "3x224x224"), "params"] == 11_689_512


def test_a_second_refresh_counts_nothing_and_leaves_only_its_record(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    before = files(cache)
    summary = refresh(settings_for(cache, refreshed.results, workers=2))
    assert (summary.planned, summary.counted, summary.failed) == (refreshed.summary["planned"], 0, 0)
    assert before < files(cache)
    assert [path.parent.name for path in files(cache) - before] == ["runs"]
    assert [(run.counted, run.added, run.changed, run.removed) for run in Store(cache).runs()][1:] == [(0, 0, 0, 0)]


NOTHING_TO_DO = """
import json, sys
sys.path.insert(0, sys.argv[3])
from fakes_refreshed import settings_for
from zoo.refresh.refresh import _exclusive, refresh
summary = refresh(settings_for(sys.argv[1], sys.argv[2], workers=2))
heavy = {"torch", "timm", "torchvision"} & set(sys.modules)
print(json.dumps([summary.planned, summary.counted, sorted(heavy)]))
"""


def test_a_refresh_with_nothing_to_do_imports_no_torch(refreshed: Refreshed, tmp_path: Path) -> None:
    arguments = [str(refreshed.copy(tmp_path)), str(refreshed.results), str(SUPPORT)]
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_TO_DO, *arguments], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [refreshed.summary["planned"], 0, []]


def test_a_zoo_s_list_comes_back_from_the_cache_as_the_zoo_gives_it(refreshed: Refreshed) -> None:
    settings = settings_for(refreshed.cache, refreshed.results, workers=1)
    for name, listing in list_zoos(settings, Store(refreshed.cache)).items():
        zoo = open_zoo(name)
        assert not listing.is_new
        assert listing.architectures == list(zoo.architectures())
        assert listing.versions == current_versions(zoo)


@pytest.mark.parametrize("changed", ["timm", "torch", "adapter"])
def test_a_zoo_is_asked_again_when_what_its_list_depends_on_has_changed(
    refreshed: Refreshed, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    released = catalogue._release_version
    monkeypatch.setattr(catalogue, "_release_version", lambda name: "9" if name == changed else released(name))
    if changed == "adapter":
        monkeypatch.setattr(
            catalogue, "fingerprint", lambda modules, _: fingerprint(modules, "changed" if "timm" in modules[0] else "")
        )
    settings = settings_for(refreshed.cache, refreshed.results, workers=1)
    is_new = {name: listing.is_new for name, listing in list_zoos(settings, Store(refreshed.cache)).items()}
    assert is_new == {"timm": True, "torchvision": changed == "torch"}


def test_a_zoo_is_asked_again_when_a_part_of_its_list_was_lost(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    for part in (cache / "weights").iterdir():
        part.unlink()
    settings = settings_for(cache, refreshed.results, workers=1)
    assert all(listing.is_new for listing in list_zoos(settings, Store(cache)).values())


@pytest.mark.parametrize("will_count", [False, True])
def test_workers_import_their_libraries_beside_a_new_list_only_where_they_will_count(
    refreshed: Refreshed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, will_count: bool
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(catalogue, "preload", lambda _, zoos: started.append(sorted(zoos)))
    settings = settings_for(tmp_path / "empty", refreshed.results, workers=1)
    assert all(listing.is_new for listing in list_zoos(settings, Store(settings.cache), will_count=will_count).values())
    assert started == ([["timm", "torchvision"]] if will_count else [])


@pytest.mark.parametrize("libraries", [(), ("timm", "zoometer"), ("timm", "not installed")])
def test_a_list_that_may_change_unnoticed_is_never_kept(libraries: tuple[str, ...]) -> None:
    """zoometer itself is an editable installation here, or not found under its name."""
    assert catalogue.dependencies("timm", ("timm", "torch")) is not None
    assert catalogue.dependencies("timm", libraries) is None


def test_only_and_rebuild_count_what_they_name(refreshed: Refreshed, tmp_path: Path) -> None:
    cache, listener = refreshed.copy(tmp_path), Listening()
    settings = settings_for(cache, refreshed.results, workers=1)
    summary = refresh(settings, listener, RefreshOptions(rebuild=True, only=("timm/test_*",)))
    assert sorted(key.arch for key in listener.keys) == ["test_resnet", "test_vit"]
    assert (summary.planned, summary.counted, summary.changed, summary.removed) == (2, 2, 0, 0)
    assert len(table(cache, "costs")) == refreshed.summary["planned"] + 2  # the old values stay as history
    assert len(Store(cache).costs()) == refreshed.summary["planned"]
    with pytest.raises(UnknownNameError, match=r"selects no architecture 'tset_vit'\. Did you mean test_vit"):
        refresh(settings, request=RefreshOptions(only=("tset_vit",)))


def test_what_is_older_than_wanted_is_counted_again(refreshed: Refreshed, tmp_path: Path) -> None:
    cache, listener = refreshed.copy(tmp_path), Listening()
    settings = settings_for(cache, refreshed.results, workers=1)
    assert refresh(settings, request=RefreshOptions(max_age=timedelta(days=1))).counted == 0
    refresh(settings, listener, RefreshOptions(max_age=timedelta(0), only=("test_vit",)))
    assert [key.arch for key in listener.keys] == ["test_vit"]


@pytest.mark.parametrize("name", ["costs", "ops"])
def test_what_a_damaged_file_held_is_counted_again(
    refreshed: Refreshed, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = refreshed.copy(tmp_path)
    part = next((cache / name).glob("*.parquet"))
    lost = set(cost_keys(to_pandas(pq.read_table(part))))
    truncate(part)
    listener = Listening()
    refresh(settings_for(cache, refreshed.results, workers=1), listener)
    assert set(listener.keys) == lost
    assert caplog.text.count("is damaged") == 1
    assert (cache / "damaged" / name / part.name).exists()
    listener.keys.clear()
    refresh(settings_for(cache, refreshed.results, workers=1), listener)
    assert listener.keys == []
    one, two = (Store(c).details("ops").groupby(list(KEY), dropna=False)["macs"].sum() for c in (cache, refreshed.cache))
    pd.testing.assert_series_equal(one, two)


def test_changed_result_tables_are_read_again(refreshed: Refreshed, tmp_path: Path) -> None:
    cache, results = refreshed.copy(tmp_path), tmp_path / MAIN_TABLE
    results.write_text(RESULTS.replace("71.5", "71.25"))
    refresh(settings_for(cache, results, workers=1))
    accuracy = table(cache, "accuracy")
    row = accuracy[(accuracy["tag"] == "a1_in1k") & (accuracy["input"] == "3x224x224") & (accuracy["metric"] == "top1")].iloc[0]
    assert (row["value"], row["revision"]) == (71.25, hashlib.sha256(results.read_bytes()).hexdigest()[:16])
    before = files(cache)
    refresh(settings_for(cache, results, workers=1))
    assert {path.parent.name for path in files(cache) ^ before} == {"runs"}


def test_one_refresh_of_a_name_runs_at_a_time(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    settings = settings_for(cache, refreshed.results, workers=1)
    listener = Listening()
    with ThreadPoolExecutor(1) as pool:
        with _exclusive(Store(cache), RefreshOptions("c.yaml"), listener):
            with pytest.raises(BusyError, match=r"Another refresh of 'c\.yaml' is running already"):
                refresh(settings, request=RefreshOptions("c.yaml", wait=False))
            assert refresh(settings, request=RefreshOptions("other.yaml", wait=False)).counted == 0
            waiting = pool.submit(refresh, settings, listener, RefreshOptions("c.yaml"))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
        assert waiting.result(timeout=60).counted == 0
    assert listener.said[0] == "Another refresh of 'c.yaml' is running; waiting for it to end."


def test_another_input_counts_only_that(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    before = table(cache, "costs")

    listener = Listening()
    refresh(settings_for(cache, refreshed.results, workers=1, inputs=("native", "192")), listener)
    timm_archs, torchvision_archs = ("test_vit", "test_resnet", "resnet18"), ("resnet18", "googlenet")
    assert sorted(key[:3] for key in listener.keys) == sorted(
        [
            *(("timm", arch, "3x192x192") for arch in timm_archs),
            *(("torchvision", arch, "3x192x192") for arch in torchvision_archs),
        ]
    )
    after = table(cache, "costs")
    assert len(after) == len(before) + 5
    assert set(before["counted_at"]) <= set(after["counted_at"])


def test_accuracy_that_is_no_longer_named_gives_way_to_what_comes_with_zoometer(
    refreshed: Refreshed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, listener = refreshed.copy(tmp_path), Listening()
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    settings = settings_for(cache, refreshed.results, workers=1)
    refresh(dataclasses.replace(settings, timm_results=None, fetch_accuracy=False), listener)
    why = "newer ones may not be downloaded (accuracy: {fetch: false})"
    assert listener.said == [f"timm's results are those of {snapshot_provenance().date} that come with zoometer: {why}."]
    results = table(cache, "accuracy").query("zoo == 'timm'")
    assert all(map(is_of_snapshot, results["source"]))
    costs = table(cache, "costs").query("zoo == 'timm' and status != 'failed'")
    counted = set(zip(costs["arch"], costs["input"], strict=True))
    evaluated = set(zip(results["arch"], results["input"], strict=True))
    chosen = {key for key in evaluated if key[0] in {"resnet18", "test_vit", "test_resnet"}}
    assert {("resnet18", "3x224x224"), ("resnet18", "3x288x288")} <= chosen
    assert chosen <= counted  # at every input at which something is published of them


def test_what_is_no_longer_planned_is_removed_once(refreshed: Refreshed, tmp_path: Path) -> None:
    settings = settings_for(refreshed.copy(tmp_path), refreshed.results, workers=1)
    fewer = dataclasses.replace(settings, zoos={"timm": settings.zoos["timm"]})
    removed = [refresh(one).removed for one in (fewer, fewer, settings)]
    assert removed == [sum(zoo == "torchvision" for zoo in table(refreshed.cache, "costs")["zoo"]), 0, 0]


@pytest.mark.parametrize(("figure", "changed"), [("macs", 1), ("seconds", 0)])
def test_rows_counted_again_are_changed_if_a_figure_is(refreshed: Refreshed, tmp_path: Path, figure: str, changed: int) -> None:
    cache = refreshed.copy(tmp_path)
    rows = Store(cache).read("costs").to_pylist()
    for part in (cache / "costs").iterdir():
        part.unlink()
    old = next(row for row in rows if row["arch"] == "test_vit")
    old |= {"counter_version": "0", figure: old[figure] + 1}
    Store(cache).append("costs", table_of("costs", rows))
    summary = refresh(settings_for(cache, refreshed.results, workers=1))
    assert (summary.counted, summary.added, summary.changed) == (1, 0, changed)


def test_one_process_and_two_give_the_same_figures(refreshed: Refreshed, tmp_path: Path) -> None:
    refresh(settings_for(tmp_path / "cache", refreshed.results, workers=1))
    for name, order in (("costs", list(KEY)), ("ops", [*KEY, "position"])):
        one, two = (
            table(cache, name).drop(columns=SHIFTING, errors="ignore").sort_values(order, ignore_index=True)
            for cache in (tmp_path / "cache", refreshed.cache)
        )
        pd.testing.assert_frame_equal(one, two)


def test_a_killed_run_is_resumed_without_losing_or_doubling_a_row(tmp_path: Path) -> None:
    with Run(tmp_path, workers=1, pause=600, commit_every_s=0) as run:
        counted = run.counted(SlowZoo.quick)
        workers = noted_processes(tmp_path)
        assert any(is_running(pid) for pid in workers)
        run.process.kill()
        run.process.wait(timeout=20)
    wait_for_end_of(workers)  # they do not outlive their parent
    kept = table(run.cache, "costs").set_index("arch")
    assert sorted(kept.index) == sorted(counted)
    shutil.rmtree(tmp_path / "zoos_of_tests-1.0.dist-info")
    set_pause(tmp_path, 0)
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        summary = refresh(RefreshSettings(str(run.cache), {"slow": ZooSettings()}, execution=Execution(workers=1)))
    assert (summary.planned, summary.counted) == (SlowZoo.size, SlowZoo.size - len(counted))
    costs = table(run.cache, "costs").set_index("arch")
    assert costs.index.is_unique
    assert len(costs) == SlowZoo.size
    assert costs.loc[kept.index, "counted_at"].equals(kept["counted_at"])


def test_operations_of_a_count_that_was_never_committed_belong_to_no_cost(tmp_path: Path) -> None:
    settings = RefreshSettings(str(tmp_path / "cache"), {"slow": ZooSettings()}, execution=Execution(workers=1))
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        refresh(settings)
        for part in (tmp_path / "cache" / "costs").iterdir():
            part.unlink()  # as if the run had been killed after its operations were written and before its costs
        assert refresh(settings).counted == SlowZoo.size
    costs, operations = table(tmp_path / "cache", "costs"), table(tmp_path / "cache", "ops")
    assert len(operations) == 2 * costs["operations"].sum()  # each operation of these models is a row
    own = operations.merge(costs, on=[*KEY, "counted_at"], suffixes=("", "_total"))
    assert own["macs"].sum() == costs["macs"].sum()
