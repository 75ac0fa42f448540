"""The results that come with zoometer: what they are, that they are the published ones, and how they are made."""

from __future__ import annotations

import math
from datetime import date
from importlib import resources
from pathlib import Path

import make_snapshot as making
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paths import SHARED

from zoo.accuracy.result_tables import MAIN_TABLE, TABLES, revision_of
from zoo.accuracy.snapshot import FILE, Provenance, is_of_snapshot, snapshot_provenance, snapshot_tables
from zoo.accuracy.timm import join_tables
from zoo.errors import AccuracyError
from zoo.records import Weights

PUBLISHED = SHARED / "data" / "timm"
ROW = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"


@pytest.fixture(scope="module")
def published() -> Path:
    if not (PUBLISHED / MAIN_TABLE).exists():
        pytest.skip(f"timm's result tables are not in {PUBLISHED}")
    return PUBLISHED


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with all eight tables, each with a row of its own figures."""
    folder = tmp_path / "results"
    folder.mkdir()
    for number, name in enumerate(TABLES):
        (folder / name).write_text(
            f"{ROW}net.a_in1k,224,{70 + number}.125,1,90.5,1,2.5,0.875,bicubic\nnet,256,{60 + number},1,,,2.5,1.0,bilinear\n"
        )
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_it_equals_the_published_tables_to_the_digit(published: Path, name: str) -> None:
    table = pd.read_csv(published / name, dtype=str)
    expected = {
        (m, int(s)): (float(one), float(five)) for m, s, one, five in table[["model", "img_size", "top1", "top5"]].to_numpy()
    }
    (ours,) = [t for t in snapshot_tables() if t.dataset == TABLES[name]]
    rows = ours.read()[["model", "img_size", "top1", "top5"]].itertuples(index=False, name=None)
    assert {(m, s): (one, five) for m, s, one, five in rows} == expected
    assert len(ours.read()) == len(table) >= 1550
    assert ours.revision == revision_of((published / name).read_bytes())


def test_crop_and_interpolation_are_the_published_ones(published: Path) -> None:
    file = pq.read_table(str(resources.files("zoo.accuracy") / FILE)).to_pandas()
    ours = file[file["dataset"] == TABLES[MAIN_TABLE]]
    table = pd.read_csv(published / MAIN_TABLE)
    key = [*zip(ours["arch"] + "." + ours["tag"], ours["image_pixels"], strict=True)]
    theirs = [*zip(table["model"], table["img_size"], strict=True)]
    for column, published_as in (("crop_share", "crop_pct"), ("interpolation", "interpolation")):
        assert dict(zip(key, ours[column], strict=True)) == dict(zip(theirs, table[published_as], strict=True))


def test_it_says_where_it_is_from_and_is_small() -> None:
    about = snapshot_provenance()
    assert about.licence == "Apache-2.0"
    assert about.revision in about.source
    assert about.revision in about.command
    assert date.fromisoformat(about.date) <= date.today()  # noqa: DTZ011
    assert set(about.files) == set(TABLES)
    content = resources.files("zoo.accuracy").joinpath(FILE).read_bytes()
    assert len(content) < 200_000
    assert pq.read_schema(pa.BufferReader(content)).remove_metadata() == making.SCHEMA


def test_its_program_makes_the_same_bytes_again(published: Path, tmp_path: Path) -> None:
    about = snapshot_provenance()
    making.main([str(published), "--revision", about.revision, "--date", about.date, "--out", str(tmp_path / FILE)])
    again, kept = pq.read_table(tmp_path / FILE), pq.read_table(str(resources.files("zoo.accuracy") / FILE))
    assert again.equals(kept, check_metadata=True)


def test_a_snapshot_holds_its_tables(results: Path) -> None:
    table = making.make_snapshot(results, revision="abc", day="2026-01-02")
    rows = table.to_pandas()
    assert len(rows) == 2 * len(TABLES)
    for number, dataset in enumerate(TABLES.values()):
        plain, tagged = rows[rows["dataset"] == dataset].to_dict("records")
        assert (plain["arch"], plain["tag"], plain["image_pixels"], plain["top1_percent"]) == ("net", "", 256, 60 + number)
        assert math.isnan(plain["top5_percent"])  # empty: unknown, not zero
        assert (tagged["tag"], tagged["top1_percent"], tagged["top5_percent"]) == ("a_in1k", 70 + number + 0.125, 90.5)
        assert (tagged["crop_share"], tagged["interpolation"]) == (0.875, "bicubic")
    about = Provenance.of(table.schema)
    assert (about.revision, about.date, about.retrieved_at) == ("abc", "2026-01-02", "2026-01-02T00:00:00+00:00")
    assert about.files == {name: revision_of((results / name).read_bytes()) for name in TABLES}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"'.*results-sketch\.csv' cannot be read: No such file"),
        ("model,img_size,top1,top5\nnet,1,2,3\n", r"'.*results-sketch\.csv' has no column crop_pct, interpolation"),
        (f"{ROW}net,224,1,1,1,1,1,1,b\nnet,224,2,1,1,1,1,1,b\n", r"imagenet-sketch has net at 224 pixels twice"),
        (f"{ROW}net.a,224,1,1,1,1,1,1,b\nnet.a,224,2,1,1,1,1,1,b\n", r"imagenet-sketch has net\.a at 224 pixels twice"),
    ],
)
def test_what_cannot_be_a_snapshot_is_an_error(results: Path, text: str | None, message: str) -> None:
    table = results / "results-sketch.csv"
    table.unlink() if text is None else table.write_text(text)
    with pytest.raises(AccuracyError, match=message):
        making.make_snapshot(results, revision="abc", day="2026-01-02")


def test_rows_say_that_they_came_with_zoometer() -> None:
    weights = [Weights("timm", "resnet50", "a1_in1k", "classification", "imagenet-1k", 1000, "3x224x224")]
    table = join_tables(snapshot_tables(), weights, "1.0")
    assert {row.dataset for row in table.rows} == set(TABLES.values())
    assert all(is_of_snapshot(row.source) for row in table.rows)
    assert {row.retrieved_at for row in table.rows} == {snapshot_provenance().retrieved_at}
    assert not is_of_snapshot("timm results-imagenet.csv (v1.0.31)")
