"""Published results: where they are read from, what they join, and what is said when they cannot be had."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import timm
import torchvision
from fakes_web import Site
from paths import SHARED
from torchvision.models import get_model_weights

from zoo.accuracy.result_tables import MAIN_TABLE
from zoo.accuracy.timm import find_tables, join_tables
from zoo.adapters.timm import TimmZoo
from zoo.adapters.torchvision.zoo import METRICS, TorchvisionZoo
from zoo.errors import AccuracyError
from zoo.records import Accuracy, AccuracyTable, Weights

SMALL = Weights("timm", "small", "in1k", "classification", "imagenet-1k", 1000, "3x224x224")
LARGE = Weights("timm", "large", "a_in1k", "classification", "imagenet-1k", 1000, "3x384x384")
GREY = Weights("timm", "grey", "in1k", "classification", "imagenet-1k", 10, "1x28x28")
WEIGHTS = (SMALL, LARGE, GREY)

RESULTS = """model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation
large.a_in1k,384,85.5,14.5,97.5,2.5,"1,014.45",1.0,bicubic
large.a_in1k,448,86.5,13.5,98.5,1.5,"1,014.45",1.0,bicubic
small.in1k,224,70.25,29.75,90.125,9.875,2.50,0.875,bicubic
grey.in1k,28,99.0,1.0,,,0.06,1.0,bilinear
"""
REAL = "model,img_size,top1,top5\nsmall.in1k,224,71.5,91.5\nsmall.other,224,1.0,2.0\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder like timm's `results`, with two of its tables."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / MAIN_TABLE).write_text(RESULTS, encoding="utf-8")
    (folder / "results-imagenet-real.csv").write_text(REAL, encoding="utf-8")
    (folder / "README.md").write_text("Not a table.", encoding="utf-8")
    return folder


def read_timm(weights: Sequence[Weights], *, version: str, results: str) -> AccuracyTable:
    return join_tables(find_tables(version=version, results=results).tables, weights, version)


def figures(rows: tuple[Accuracy, ...]) -> dict[tuple[str, str, str, str, str], float]:
    return {(r.arch, r.tag, r.dataset, r.metric, r.input): r.value for r in rows}


MAIN_FIGURES = {
    ("large", "a_in1k", "imagenet-1k", "top1", "3x384x384"): 85.5,
    ("large", "a_in1k", "imagenet-1k", "top5", "3x384x384"): 97.5,
    ("large", "a_in1k", "imagenet-1k", "top1", "3x448x448"): 86.5,
    ("large", "a_in1k", "imagenet-1k", "top5", "3x448x448"): 98.5,
    ("small", "in1k", "imagenet-1k", "top1", "3x224x224"): 70.25,
    ("small", "in1k", "imagenet-1k", "top5", "3x224x224"): 90.125,
    ("grey", "in1k", "imagenet-1k", "top1", "1x28x28"): 99.0,  # its top-5 is empty: unknown, not zero
}
REAL_FIGURES = {
    ("small", "in1k", "imagenet-real", "top1", "3x224x224"): 71.5,
    ("small", "in1k", "imagenet-real", "top5", "3x224x224"): 91.5,
}


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_a_folder_gives_all_its_tables(results: Path, form: str) -> None:
    table = read_timm(WEIGHTS, version="9.9", results=form.format(results))
    assert figures(table.rows) == MAIN_FIGURES | REAL_FIGURES
    assert table.warnings == ()


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_one_file_gives_its_rows(results: Path, form: str) -> None:
    table = read_timm(WEIGHTS, version="9.9", results=form.format(results / MAIN_TABLE))
    assert figures(table.rows) == MAIN_FIGURES
    assert {row.source for row in table.rows} == {f"timm {MAIN_TABLE}"}


def test_a_file_of_another_name_is_taken_for_the_main_table(results: Path) -> None:
    table = read_timm(WEIGHTS, version="9.9", results=str((results / MAIN_TABLE).rename(results / "mine.csv")))
    assert figures(table.rows) == MAIN_FIGURES


@pytest.mark.parametrize("path", ["results", "results/"])
def test_an_address_of_a_folder_gives_all_its_tables(results: Path, path: str) -> None:
    with Site(results.parent) as site:
        table = read_timm(WEIGHTS, version="9.9", results=f"{site.address}/{path}")
    assert figures(table.rows) == MAIN_FIGURES | REAL_FIGURES


def test_an_address_of_a_file_gives_its_rows(results: Path) -> None:
    with Site(results.parent) as site:
        table = read_timm(WEIGHTS, version="9.9", results=f"{site.address}/results/{MAIN_TABLE}")
    assert figures(table.rows) == MAIN_FIGURES


def test_a_row_is_as_old_as_its_file(results: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    os.utime(results / MAIN_TABLE, (moment.timestamp(), moment.timestamp()))
    for address in (results / MAIN_TABLE, f"file://{results / MAIN_TABLE}"):
        table = read_timm(WEIGHTS, version="9.9", results=str(address))
        assert {row.retrieved_at for row in table.rows} == {moment.isoformat()}


def test_results_without_weights_are_kept_apart_with_the_reason(results: Path) -> None:
    (results / MAIN_TABLE).write_text(
        RESULTS + "small.a_in1k,224,1,2,3,4,5,6,b\nnew.in1k,224,1,2,3,4,5,6,b\nsmall,224,1,2,3,4,5,6,b\n"
    )
    table = read_timm(WEIGHTS, version="9.9", results=str(results))
    assert [(u.name, u.input, u.reason) for u in table.unmatched] == [
        ("small.a_in1k", "224", "timm 9.9 has no weights of small with this tag"),
        ("new.in1k", "224", "timm 9.9 has no architecture new with weights"),
        ("small", "224", "timm 9.9 has no weights of small with this tag"),
    ]
    assert figures(table.rows) == MAIN_FIGURES | REAL_FIGURES


def test_without_the_main_table_the_others_are_read_with_a_warning(results: Path) -> None:
    (results / MAIN_TABLE).unlink()
    table = read_timm(WEIGHTS, version="9.9", results=str(results))
    assert figures(table.rows) == REAL_FIGURES
    assert table.warnings == ("timm's ImageNet-1k accuracy is missing: results-imagenet.csv is not among the result tables.",)


@pytest.mark.parametrize("name", ["missing", "missing.csv", "file:///missing", "file:///missing.csv"])
def test_results_that_do_not_exist_are_an_error(tmp_path: Path, name: str) -> None:
    where = name if "://" in name else str(tmp_path / name)
    with pytest.raises(
        AccuracyError, match=r"timm's results '.*missing.*' do not exist\. Name a folder with results-imagenet\.csv"
    ):
        read_timm(WEIGHTS, version="9.9", results=where)


@pytest.mark.parametrize("name", ["missing", "missing.csv"])
def test_an_address_that_has_no_results_is_an_error(tmp_path: Path, name: str) -> None:
    with Site(tmp_path) as site, pytest.raises(AccuracyError, match=r"127\.0\.0\.1:\d+/missing"):
        read_timm(WEIGHTS, version="9.9", results=f"{site.address}/{name}")


def test_an_address_nobody_answers_at_is_an_error(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        address = site.address
    with pytest.raises(AccuracyError, match=r"127\.0\.0\.1"):
        read_timm(WEIGHTS, version="9.9", results=f"{address}/results/{MAIN_TABLE}")


def test_an_unknown_protocol_is_an_error() -> None:
    with pytest.raises(AccuracyError, match=r"'carrier-pigeon://results.*' cannot be read: Protocol not known"):
        read_timm(WEIGHTS, version="9.9", results="carrier-pigeon://results")


def test_a_folder_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AccuracyError, match=r"holds none of timm's result tables \(results-imagenet\.csv, "):
        read_timm(WEIGHTS, version="9.9", results=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"'.*results-imagenet\.csv' has no headings in its first line"),
        (b"model,img_size\nsmall.in1k,224\n", r"is not one of timm's result tables: it has no column top1, top5\.$"),
        (b"<html>Not found</html>\n", r"is not one of timm's result tables: it has no column img_size, model, top1, top5\.$"),
        (b"model,img_size,top1,top5\na,b\nc,d,e,f,g,h\n", r"line 3 has 6 cells, and the first line 4 headings"),
        (b"\xff\xfe\x00\x81", r"'.*' is not a text file in UTF-8"),
        (b"model,img_size,top1,top5\nsmall.in1k,big,70,90\n", r"results-imagenet\.csv'.*'big'"),
        (b"model,img_size,top1,top5\nsmall.in1k,,70,90\n", r"results-imagenet\.csv'.*img_size"),
        (b"model,img_size,top1,top5\nsmall.in1k,224,good,90\n", r"results-imagenet\.csv'.*'good'"),
    ],
)
def test_a_table_that_cannot_be_understood_is_an_error(results: Path, content: bytes, message: str) -> None:
    (results / MAIN_TABLE).write_bytes(content)
    with pytest.raises(AccuracyError, match=message):
        read_timm(WEIGHTS, version="9.9", results=str(results))


def test_all_results_of_installed_architectures_join() -> None:
    """The published table as it is: what does not join belongs to nothing the installed timm has."""
    folder = SHARED / "data" / "timm"
    if not (folder / MAIN_TABLE).exists():
        pytest.skip(f"timm's result tables are not in {folder}")
    weights = [w for a in TimmZoo().architectures() for w in a.weights]
    table = read_timm(weights, version=timm.__version__, results=str(folder / MAIN_TABLE))
    rows = pd.read_csv(folder / MAIN_TABLE)
    installed = rows["model"].str.partition(".")[0].isin(timm.list_models())
    joined = {(f"{r.arch}.{r.tag}", int(r.input.rpartition("x")[2])): r.value for r in table.rows if r.metric == "top1"}
    expected = {
        (str(m), int(s)): float(v) for m, s, v in rows.loc[installed, ["model", "img_size", "top1"]].itertuples(index=False)
    }
    assert joined == expected
    assert sorted(u.name for u in table.unmatched) == sorted(rows.loc[~installed, "model"])


def torchvision_weights() -> list[Weights]:
    return [w for a in TorchvisionZoo().architectures() for w in a.weights]


def test_torchvision_gives_every_metric_it_states() -> None:
    rows = tuple(TorchvisionZoo().published_accuracy())
    stated = {
        (w.arch, w.tag, dataset.lower(), METRICS.get(metric, metric), w.input): value
        for w in torchvision_weights()
        for dataset, metrics in get_model_weights(w.arch)[w.tag].meta["_metrics"].items()
        for metric, value in metrics.items()
    }
    known = {key: value for key, value in stated.items() if not math.isnan(value)}
    assert figures(rows) == known
    assert len(rows) == len(known)  # none twice
    assert {key[:2] for key in stated.keys() - known.keys()} <= {("vgg16", "IMAGENET1K_FEATURES")}  # has no classifier
    assert known["resnet50", "IMAGENET1K_V2", "imagenet-1k", "top1", "3x224x224"] == 80.858
    assert known["fasterrcnn_resnet50_fpn", "COCO_V1", "coco-val2017", "box_map", "3x800x800"] == 37.0


def test_torchvision_results_are_as_old_as_the_installed_package() -> None:
    """What has not changed must not look new: the cache rewrites what differs."""
    rows = TorchvisionZoo().published_accuracy()
    moment = datetime.fromtimestamp(Path(torchvision.__file__).stat().st_mtime, UTC)
    assert {row.retrieved_at for row in rows} == {moment.isoformat(timespec="seconds")}
    assert {row.source for row in rows} == {f"torchvision {torchvision.__version__.partition('+')[0]}, metadata of the weights"}
