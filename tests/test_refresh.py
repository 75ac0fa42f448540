"""Real refreshes of a few small models: what the tables hold, what is counted again, and what a killed run leaves."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import datetime
from pathlib import Path

import pandas as pd
import pooch
import pytest
import timm
import torch
import torchvision
from fakes_installed import installed
from fakes_refreshed import Listening, Refreshed, refresh_in, settings_for
from fakes_runs import Run, is_running, wait_for_end_of
from zoo_of_poison import SlowZoo, noted_processes, set_pause

from zoo.accuracy.timm import HOW_TO_SUPPLY
from zoo.batch.refresh import refresh
from zoo.batch.settings import Execution, RefreshSettings, ZooSettings
from zoo.cache.schema import KEY, TABLES, table_of
from zoo.cache.store import Store, to_pandas
from zoo.counting.count import COUNTER_VERSION
from zoo.records import Status

SHIFTING = ["seconds", "counted_at"]  # columns that differ from run to run


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
    }
    failed = {("torchvision", "raft_small", "3x520x960", pd.NA)}
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
    assert (costs["macs"] == costs[["macs_conv", "macs_linear", "macs_matmul", "macs_attention"]].sum(axis=1)).all()
    assert (costs["flops"] == 2 * costs["macs"]).all()
    operations = table(refreshed.cache, "ops").groupby(list(KEY))
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
    assert failed["reason"] == "plan: optical-flow models are not counted by this version; only classification is"
    figures = [field.name for field in TABLES["costs"] if str(field.type) == "int64" and field.name not in KEY]
    assert all(pd.isna(failed[name]) for name in figures)
    assert "raft_small" not in set(operations["arch"])


def test_lists_hold_everything_that_exists(refreshed: Refreshed) -> None:
    weights, architectures = table(refreshed.cache, "weights"), table(refreshed.cache, "architectures")
    assert set(architectures.loc[architectures["zoo"] == "timm", "arch"]) == set(timm.list_models())
    named = weights["arch"] + "." + weights["tag"]
    assert sorted(named[weights["zoo"] == "timm"]) == sorted(timm.list_pretrained())
    assert set(architectures.loc[architectures["zoo"] == "torchvision", "arch"]) == set(torchvision.models.list_models())
    assert len(weights.drop_duplicates(["zoo", "arch", "tag"])) == len(weights)
    notes = architectures.dropna(subset="note")
    assert set(notes["arch"]) == {"googlenet", "inception_v3"}


def test_accuracy_and_what_did_not_join_are_kept(refreshed: Refreshed) -> None:
    accuracy = table(refreshed.cache, "accuracy")
    of_timm = accuracy[(accuracy["zoo"] == "timm") & (accuracy["metric"] == "top1")]
    assert {(r.arch, r.tag, r.input): r.value for r in of_timm.itertuples()} == {
        ("resnet18", "a1_in1k", "3x224x224"): 71.5,
        ("resnet18", "a1_in1k", "3x288x288"): 73.1,
        ("test_vit", "r160_in1k", "3x160x160"): 40.0,
    }
    assert list(table(refreshed.cache, "unjoined")["name"]) == ["resnet_of_yore.in1k"]


def test_a_run_leaves_a_row(refreshed: Refreshed) -> None:
    (run,) = table(refreshed.cache, "runs").to_dict("records")
    summary = refreshed.summary
    for name in ("run", "planned", "counted", "failed", "unfit", "added", "changed", "removed", "seconds"):
        assert run[name] == summary[name]
    assert run["started_at"] == datetime.fromisoformat(summary["started_at"])
    assert run["versions"] == f"timm {timm.__version__}, torchvision {torchvision.__version__.partition('+')[0]}"


def test_pandas_reads_the_costs_as_they_are(refreshed: Refreshed) -> None:
    frame = pd.read_parquet(refreshed.cache / "costs")
    assert frame.set_index(["zoo", "arch", "input"]).loc[("torchvision", "resnet18", "3x224x224"), "params"] == 11_689_512


def test_a_second_refresh_counts_nothing_and_writes_nothing(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    before = files(cache)
    summary = refresh(settings_for(cache, refreshed.results, workers=2))
    assert (summary.planned, summary.counted, summary.failed) == (refreshed.summary["planned"], 0, 0)
    assert files(cache) == before


def test_another_input_counts_only_that(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    before = table(cache, "costs")

    listener = Listening()
    refresh(settings_for(cache, refreshed.results, workers=1, inputs=("native", "192")), listener)
    timm_archs, torchvision_archs = ("test_vit", "test_resnet", "resnet18"), ("resnet18", "googlenet", "raft_small")
    assert sorted(key[:3] for key in listener.keys) == sorted(
        [
            *(("timm", arch, "3x192x192") for arch in timm_archs),
            *(("torchvision", arch, "3x192x192") for arch in torchvision_archs),
        ]
    )
    after = table(cache, "costs")
    assert len(after) == len(before) + 6
    assert set(before["counted_at"]) <= set(after["counted_at"])


def test_accuracy_that_cannot_be_had_stays_as_it_was_and_is_said_to_be_missing(
    refreshed: Refreshed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, listener = refreshed.copy(tmp_path), Listening()
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    settings = settings_for(cache, refreshed.results, workers=1)
    summary = refresh(dataclasses.replace(settings, timm_results=None, fetch_accuracy=False), listener)
    assert listener.said == [
        f"timm's accuracy is missing: its result tables may not be downloaded (accuracy: {{fetch: false}}). {HOW_TO_SUPPLY}"
    ]
    assert (summary.counted, summary.failed) == (0, 0)
    assert table(cache, "accuracy").equals(table(refreshed.cache, "accuracy"))


def test_costs_of_architectures_that_are_gone_are_counted_as_removed(refreshed: Refreshed, tmp_path: Path) -> None:
    cache = refreshed.copy(tmp_path)
    row = Store(cache).read("costs").to_pylist()[0]
    Store(cache).append("costs", table_of("costs", [{**row, "arch": "gone"}, {**row, "zoo": "another", "arch": "gone"}]))
    summary = refresh(settings_for(cache, refreshed.results, workers=1))
    assert (summary.removed, summary.counted) == (1, 0)


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
