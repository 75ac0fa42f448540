"""From hand-made tables of the cache to the tables of a report: the join, what is unknown, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_cache import NOON, Cache, column

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Column, ColumnKind
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, TRAINING, UNMATCHED, columns_for
from reports.leaderboard.report import ReportTotals
from zoo.errors import CacheError, UnknownNameError
from zoo.records import Selection

DTYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
    ColumnKind.INTEGER: "Int64",
    ColumnKind.NUMBER: "Float64",
    ColumnKind.FLAG: "boolean",
}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_every_column_shows_its_own_fact(cache: Cache) -> None:
    """Each fact has a value that no other fact has."""
    cache.arch("net", family="not this family", task="not this task", variants=["base", "deploy"])
    cache.weights(
        "net", "tag", task="a task", family="a family", dataset="a dataset", classes=11, input="3x12x13", file_bytes=14,
        license="a licence", source="https://a.source", recipe="a recipe", library_version="not this version",
    )  # fmt: skip
    figures = "params buffers weight_bytes macs flops macs_conv macs_linear macs_bmm macs_attention activations bytes_read bytes_written peak_activation_bytes operations"
    numbers = {name: 100 + i for i, name in enumerate(figures.split())}
    cost = {**numbers, "status": "bound", "reason": "an assumption", "peak_module": "not shown", "seconds": 99.0}
    training = {c.key: 30 + i for i, c in enumerate(TRAINING) if c.is_figure}
    cost |= {"variant": "deploy", "batch": 8, "training_status": "bound", "training_reason": "a training note", **training}
    cache.cost("net", input="3x12x13", classes=11, **cost)  # type: ignore[arg-type]
    for number, shown in enumerate(ACCURACY_COLUMNS):
        cache.accuracy("net", "tag", 50 + number, input="3x12x13", dataset=shown.dataset, metric=shown.metric)
    cache.accuracy("net", "tag", 1, input="3x12x13", dataset="imagenet-a-clean")  # kept, but no column of the leaderboard
    (row,) = cache.report(variants=("deploy",), batches=(8,)).leaderboard.to_dict("records")
    expected: dict[str, Any] = {
        "model": "timm/net.tag", "zoo": "timm", "arch": "net", "tag": "tag", "family": "a family", "task": "a task",
        "input": "3x12x13", "classes": 11, "variant": "deploy", "batch": 8,
        **{shown.column.key: 50 + number for number, shown in enumerate(ACCURACY_COLUMNS)},
        **{name: numbers[name] for name in ("params", "macs", "flops", "activations", "peak_activation_bytes", "weight_bytes", "operations")},
        **training, "training_reason": "a training note",
        "file_bytes": 14, "status": "bound", "reason": "an assumption", "on_frontier": True,
        "license": "a licence", "dataset": "a dataset", "source": "https://a.source",
    }  # fmt: skip
    assert row == expected
    assert len({str(value) for value in row.values()}) == len(row)


def check_declared(table: pd.DataFrame, columns: tuple[Column, ...]) -> None:
    assert [(name, str(dtype)) for name, dtype in table.dtypes.items()] == [(c.key, DTYPES[c.kind]) for c in columns]


def test_tables_have_exactly_the_declared_columns_and_types(cache: Cache) -> None:
    cache.arch("uncounted")
    cache.weights("uncounted", "in1k")
    for report in (cache.report(), cache_with_everything(cache).report()):
        check_declared(report.leaderboard, LEADERBOARD)
        check_declared(report.coverage, COVERAGE)
        check_declared(report.unmatched, UNMATCHED)


def cache_with_everything(cache: Cache) -> Cache:
    cache.model("net", 5, 80.0)
    cache.cost("net", None, input="3x64x64", status="failed", reason="run: ValueError: odd size")
    cache.add("unmatched", zoo="timm", source="a table", name="old.in1k", input="224", reason="gone")
    return cache


def test_accuracy_joins_cost_only_at_the_same_input(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.accuracy("net", "in1k", 82.0, input="3x288x288")
    cache.accuracy("net", "in1k", 83.0, input="3x320x320")
    cache.cost("net", 9, input="3x288x288")
    report = cache.report()
    assert column(report, "imagenet_top1") == {
        ("timm/net.in1k", "3x224x224"): 80.0,
        ("timm/net.in1k", "3x288x288"): 82.0,
        ("timm/net.in1k", "3x320x320"): 83.0,
    }
    assert list(column(report, "macs").values()) == [None, 9, 5]  # the most accurate first
    assert column(report, "reason")["timm/net.in1k", "3x320x320"] == "not counted yet; zoometer run counts it"
    assert column(report, "status")["timm/net.in1k", "3x320x320"] == "failed"


def test_cost_joins_weights_only_with_the_same_head(cache: Cache) -> None:
    cache.arch("net")
    cache.weights("net", "in1k", classes=1000)
    cache.weights("net", "in21k", classes=21843)
    cache.weights("net", "dino", classes=0, task="features")
    cache.weights("net", "bare", classes=None)
    for classes, macs in ((1000, 5), (21843, 7), (0, 3), (None, 4)):
        cache.cost("net", macs, classes=classes)
    shown = {model: value for (model, _), value in column(cache.report(), "macs").items()}
    assert shown == {"timm/net.in1k": 5, "timm/net.in21k": 7, "timm/net.dino": 3, "timm/net.bare": 4}


def test_unknown_is_never_zero(cache: Cache) -> None:
    cache.arch("net")
    cache.weights("net", "in1k")
    cache.cost("net", None, status="failed", reason="run: ValueError: odd size")
    report = cache.report()
    unknown = {c.key for c in LEADERBOARD if c.is_figure} - {"classes", "batch"}
    assert report.leaderboard[sorted(unknown)].isna().all(axis=None)
    (row,) = report.leaderboard.to_dict("records")
    assert (row["status"], row["reason"], row["on_frontier"]) == ("failed", "run: ValueError: odd size", False)


def test_an_architecture_without_weights_is_listed_by_its_name(cache: Cache) -> None:
    cache.arch("bare", family="bares", classes=None)
    cache.cost("bare", 3, classes=None)
    (row,) = cache.report().leaderboard.to_dict("records")
    assert (row["model"], row["tag"], row["family"], row["macs"], row["imagenet_top1"]) == ("timm/bare", None, "bares", 3, None)


def test_a_size_without_weights_is_a_row_of_the_architecture(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.cost("net", 2, input="3x128x128")
    report = cache.report(inputs=("native", "128"))
    assert column(report, "macs") == {("timm/net.in1k", "3x224x224"): 5, ("timm/net", "3x128x128"): 2}
    assert column(report, "imagenet_top1")["timm/net", "3x128x128"] is None


def test_weights_without_a_tag_are_called_like_their_architecture(cache: Cache) -> None:
    cache.arch("net")
    cache.weights("net", "")
    cache.cost("net", 5)
    assert column(cache.report(), "macs") == {("timm/net", "3x224x224"): 5}


def test_the_frontier_is_that_of_each_task(cache: Cache) -> None:
    cache.model("small", 1, 70.0)
    cache.model("large", 9, 85.0)
    cache.model("beaten", 5, 69.0)
    cache.model("unknown", 1, None)
    cache.model("detector", 20, 40.0, task="detection")
    cache.model("beaten_detector", 30, 40.0, task="detection")
    flags = {
        model.removeprefix("timm/").removesuffix(".in1k"): flag
        for (model, _), flag in column(cache.report(), "on_frontier").items()
    }
    assert flags == {"small": True, "large": True, "beaten": False, "unknown": False, "detector": True, "beaten_detector": False}


def test_rows_are_ordered_by_accuracy_then_cost_then_name(cache: Cache) -> None:
    for name, macs, top1 in (("c", 5, 80.0), ("b", 5, 80.0), ("a", 9, 80.0), ("d", 1, None), ("e", 99, 90.0)):
        cache.model(name, macs, top1)
    assert list(cache.report().leaderboard["arch"]) == ["e", "b", "c", "a", "d"]


def test_the_newest_count_is_shown(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.cost("net", 6)
    cache.cost("net", 4, counted_at=NOON)
    assert list(cache.report().leaderboard["macs"]) == [6]


@pytest.mark.parametrize(
    ("selection", "archs"),
    [
        (Selection(), ["resnet18", "resnet50", "vit", "untrained"]),
        (Selection(include=("resnet*",)), ["resnet18", "resnet50"]),
        (Selection(exclude=("resnet50", "v*")), ["resnet18", "untrained"]),
        (Selection(tasks=("features",)), ["vit"]),
        (Selection(pretrained_only=True), ["resnet18", "resnet50", "vit"]),
    ],
)
def test_a_report_shows_what_the_config_selects(cache: Cache, selection: Selection, archs: list[str]) -> None:
    cache.model("resnet18", 1, 70.0)
    cache.model("resnet50", 4, 80.0)
    cache.model("vit", 9, None, task="features")
    cache.arch("untrained")
    cache.cost("untrained", 2)
    cache.cost("resnet18", None, input="3x32x32", status="failed", reason="run: X")
    report = cache.report(selection)
    assert sorted(report.leaderboard["arch"]) == sorted(archs)
    trained = [arch for arch in archs if arch != "untrained"]
    assert report.totals == ReportTotals(len(archs), len(trained), rows=len(archs), exact=len(archs), bound=0, failed=0)


def test_only_inputs_that_are_asked_for_or_measured_are_shown(cache: Cache) -> None:
    cache.arch("net")
    cache.weights("net", "in1k")
    for input, macs in (("3x224x224", 5), ("3x128x128", 2), ("3x96x96", 1), ("3x288x288", 9)):
        cache.cost("net", macs, input=input)
    cache.accuracy("net", "in1k", 81.0, input="3x288x288")
    assert column(cache.report(inputs=("128",)), "macs") == {("timm/net.in1k", "3x288x288"): 9, ("timm/net", "3x128x128"): 2}
    assert set(column(cache.report(inputs=("native",)), "macs").values()) == {9, 5}


def test_zoos_are_kept_apart(cache: Cache) -> None:
    cache.model("net", 1, 70.0)
    cache.model("net", 2, 75.0, zoo="torchvision")
    cache.add("unmatched", zoo="timm", source="a table", name="old.in1k", input="224", reason="gone")
    both = cache.report(zoos=("timm", "torchvision"))
    assert column(both, "macs") == {("timm/net.in1k", "3x224x224"): 1, ("torchvision/net.in1k", "3x224x224"): 2}
    one = cache.report(zoos=("torchvision",))
    assert column(one, "imagenet_top1") == {("torchvision/net.in1k", "3x224x224"): 75.0}
    assert (len(both.unmatched), len(one.unmatched)) == (1, 0)
    assert both.versions["timm"] == "1.0"
    assert "timm" not in one.versions


def test_coverage_lists_what_is_not_exact_with_the_reason(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.arch("odd", task="detection")
    cache.cost("odd", None, status="failed", reason="build: ValueError: odd")
    cache.cost("odd", 3, input="3x64x64", status="bound", reason="an assumption")
    cache.cost("odd", None, input="3x8x8", status="failed", reason="input: InputError: too small")
    report = cache.report(inputs=("native", "64", "8"))
    rows = {tuple(row) for row in report.coverage[["arch", "task", "input", "status", "reason"]].itertuples(index=False)}
    assert rows == {
        ("odd", "detection", "3x224x224", "failed", "build: ValueError: odd"),
        ("odd", "detection", "3x64x64", "bound", "an assumption"),
        ("odd", "detection", "3x8x8", "failed", "input: InputError: too small"),
    }
    assert list(report.coverage["status"]) == ["failed", "failed", "bound"]
    assert report.totals == ReportTotals(architectures=2, weights=1, rows=4, exact=1, bound=1, failed=2, unsupported=1)


def test_results_that_joined_nothing_are_listed_with_the_reason(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    row = {"source": "a table", "name": "old.in1k", "input": "224", "reason": "gone"}
    cache.add("unmatched", zoo="timm", **row)
    assert cache.report().unmatched.to_dict("records") == [row]


def test_missing_accuracy_is_said_with_what_to_do(cache: Cache) -> None:
    cache.model("net", 5, None)
    (warning,) = cache.report().warnings
    assert warning == "timm's accuracy is not in the cache; zoometer run CONFIG puts it there, without a network as well."


def test_weights_without_a_published_result_are_nothing_to_warn_of(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.model("clip", 5, None)
    assert cache.report(Selection(include=("clip",))).warnings == ()


@pytest.mark.parametrize(
    ("unknown", "lacking"),
    [((), ""), (("new", "newer"), " 2 of the 3 sets of ImageNet-1k weights shown are not among them.")],
)
def test_results_that_came_with_zoometer_are_noted_with_their_day_and_what_they_lack(
    cache: Cache, unknown: tuple[str, ...], lacking: str
) -> None:
    came = {"source": "timm results-imagenet.csv (abc, comes with zoometer)", "retrieved_at": "2026-01-09T00:00:00+00:00"}
    cache.arch("net")
    cache.weights("net", "in1k", dataset="imagenet-1k")
    cache.weights("net", "clip")  # for another task of its own: nobody evaluates it on ImageNet-1k
    cache.accuracy("net", "in1k", 80.0, **came)
    cache.accuracy("net", "in1k", 95.0, metric="top5", **came)
    for arch in unknown:
        cache.arch(arch)
        cache.weights(arch, "in1k", dataset="imagenet-1k")
    report = cache.report()
    assert report.notes == (f"timm's accuracies are those of 2026-01-09 that come with zoometer.{lacking}",)
    assert report.warnings == ()
    (source,) = [source for source in report.sources if source.name == "Accuracy"]
    assert (source.address, source.retrieved_at) == (came["source"], "2026-01-09")
    assert source.note.startswith("licence Apache-2.0, from https://github.com/huggingface/pytorch-image-models/")


def test_nothing_is_said_when_nothing_is_missing(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    assert cache.report().warnings == ()


def test_costs_of_several_versions_are_said(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.model("old", 5, 80.0)
    cache.cost("net", 6, library_version="1.1")
    report = cache.report()
    assert report.warnings == ("1 costs of timm were counted with another version than 1.1; zoometer run renews them.",)
    assert report.versions["timm"] == "1.1, 1.0"


def test_notes_name_the_model(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.arch("googlenet", note="counted without its auxiliary heads")
    cache.cost("googlenet", 5)
    assert cache.report().notes == ("timm/googlenet: counted without its auxiliary heads.",)
    assert cache.report(Selection(include=("net",))).notes == ()


def test_sources_say_where_figures_come_from_and_when(cache: Cache) -> None:
    cache.model("net", 5, 80.0)
    cache.accuracy("net", "in1k", 99.0, metric="top5", retrieved_at="2026-01-09T00:00:00+00:00")
    sources = [(source.name, source.address, source.retrieved_at) for source in cache.report().sources]
    assert sources == [("Costs", "counted on torch's meta device", "2026-01-02"), ("Accuracy", "a table", "2026-01-09")]


def test_an_empty_cache_is_an_error_with_the_next_step(cache: Cache) -> None:
    with pytest.raises(CacheError, match=r"holds none of the selected models\. Fill it with: zoometer run CONFIG"):
        cache.report()


def test_a_misspelt_name_is_an_error(cache: Cache) -> None:
    cache.model("resnet50", 5, 80.0)
    with pytest.raises(UnknownNameError, match=r"timm has no architecture 'resnet5'\. Did you mean resnet50\?"):
        cache.report(Selection(include=("resnet5",)))


def test_a_variant_is_a_row_of_the_same_weights_with_its_own_cost(cache: Cache) -> None:
    cache.model("net", 500, 80.0, variants=["base", "deploy"])
    cache.cost("net", 300, variant="deploy")
    cache.model("plain", 400, 70.0)
    table = cache.report(variants=("base", "deploy")).leaderboard
    shown = {(row["model"], row["variant"]): (row["macs"], row["imagenet_top1"]) for row in table.to_dict("records")}
    assert shown == {
        ("timm/net.in1k", "base"): (500, 80.0),
        ("timm/net.in1k", "deploy"): (300, 80.0),
        ("timm/plain.in1k", "base"): (400, 70.0),
    }
    best = table[table["on_frontier"]]
    assert [*zip(best["model"], best["variant"], strict=True)] == [("timm/net.in1k", "deploy")]


def test_feature_maps_belong_to_no_weights_and_are_a_task_of_their_own(cache: Cache) -> None:
    cache.model("net", 500, 80.0, variants=["base", "features"], classes=0)
    cache.cost("net", 450, variant="features", classes=0)
    table = cache.report(variants=("base", "features")).leaderboard
    (row,) = table[table["variant"] == "features"].to_dict("records")
    assert (row["model"], row["macs"], row["task"], row["classes"]) == ("timm/net", 450, "features", 0)
    assert pd.isna(row["imagenet_top1"])


def test_each_batch_is_a_row_and_is_shown_where_there_are_several(cache: Cache) -> None:
    cache.model("net", 500, 80.0)
    cache.cost("net", 4000, batch=8)
    one, both = cache.report().leaderboard, cache.report(batches=(1, 8)).leaderboard
    assert dict(zip(one["batch"], one["macs"], strict=True)) == {1: 500}
    assert dict(zip(both["batch"], both["macs"], strict=True)) == {1: 500, 8: 4000}
    assert set(both["imagenet_top1"]) == {80.0}
    assert [c.shown for table in (one, both) for c in columns_for(table) if c.key == "batch"] == [False, True]


def test_costs_with_a_head_of_one_s_own_stand_beside_the_accuracy_of_the_weights(cache: Cache) -> None:
    cache.model("net", 500, 80.0)
    cache.cost("net", 350, classes=10, input="1x224x224")
    report = cache.report(classes=10, in_channels=1)
    (row,) = report.leaderboard.to_dict("records")
    assert (row["model"], row["macs"], row["classes"], row["input"]) == ("timm/net.in1k", 350, 10, "1x224x224")
    assert row["imagenet_top1"] == 80.0
    (note,) = report.notes
    assert note == (
        "timm: costs are those with a head of 10 outputs and 1 input channels; "
        "accuracies were published for the weights as they were trained."
    )
