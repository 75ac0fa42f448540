"""Files of older formats, and other programs' view of the present one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from cache_rows import BIG, cost, costs_of
from paths import FIXTURES

from zoo.cache.changes import changes_between
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import SCHEMA_VERSION, TABLES, schema_version
from zoo.cache.schema.upgrades import COLUMNS
from zoo.cache.store import Store

NEWEST = """
SELECT arch, macs FROM '{costs}/*.parquet'
QUALIFY row_number() OVER (PARTITION BY zoo, arch, input, classes, variant, batch ORDER BY counted_at DESC) = 1
"""


@pytest.fixture(params=sorted(COLUMNS), ids=lambda version: f"format {version}")
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A cache that an older version wrote: twelve models of the zoo `slow`, whose width is their number of classes."""
    shutil.copytree(FIXTURES / f"cache_v{request.param}", tmp_path / "cache")
    return Store(tmp_path / "cache")


def check(store: Store) -> None:
    costs = store.costs().set_index("arch")
    assert list(costs.index) == [f"slow_{i:02}" for i in range(12)]
    for classes in range(1, 13):
        row = costs.loc[f"slow_{classes - 1:02}"]
        conv, linear = 4 * 3 * 3 * 3, 4 * 8 * 8 * classes  # weights of a 3x3 convolution from 3 to 4 channels, and of its head
        assert (row["classes"], row["batch"]) == (classes, 1)
        assert row["params"] == conv + 4 + linear + classes
        assert row["macs"] == conv * 8 * 8 + linear
        assert row["fingerprint"] is pd.NA
    details = store.details("ops")
    assert details.groupby("arch")["macs"].sum().to_dict() == costs["macs"].to_dict()
    assert [a.name for a in store.architectures()] == list(costs.index)
    assert store.architectures()[0].weights[0].file_bytes == BIG
    assert [(row.value, row.revision) for row in store.accuracy()] == [(12.5, None)]
    assert [(run.planned, run.status) for run in store.runs()] == [(12, "done")]


def test_files_of_every_older_format_are_read(old: Store) -> None:
    check(old)


def test_compaction_brings_old_files_to_the_present_format(old: Store) -> None:
    old.prepare()
    compact(old)
    check(old)
    for name in ("costs", "ops", "runs"):
        (path,) = Path(old.address, name).glob("*.parquet")
        assert schema_version(pq.read_schema(path)) == SCHEMA_VERSION


def test_a_run_of_an_older_format_can_be_compared(old: Store) -> None:
    found = changes_between(old)
    assert found.counts() == {
        "added": 12,
        "removed": 0,
        "changed": 0,
        "failed": 0,
        "recovered": 0,
        "not_compared": 0,
        "unchanged": 0,
    }


def test_every_file_says_its_format(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    store.prepare()
    store.append("costs", costs_of(cost()))
    for path in Path(store.address, "costs").glob("*.parquet"):
        assert schema_version(pq.read_schema(path)) == SCHEMA_VERSION


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Costs in two parts, one of which replaces a value of the other."""
    store = Store(tmp_path / "cache")
    store.prepare()
    store.append("costs", costs_of(cost("a", macs=1), cost("b", macs=BIG)))
    store.append("costs", costs_of(cost("a", macs=BIG + 2, minutes=1), cost("c", macs=None)))
    return tmp_path / "cache" / "costs"


EXPECTED = {"a": BIG + 2, "b": BIG, "c": None}


def test_pandas_reads_a_folder_as_it_is(folder: Path) -> None:
    costs = pd.read_parquet(folder, dtype_backend="numpy_nullable")
    assert list(costs.columns) == TABLES["costs"].names
    newest = costs.sort_values("counted_at").drop_duplicates(["zoo", "arch", "input", "classes", "variant", "batch"], keep="last")
    assert {arch: None if pd.isna(macs) else macs for arch, macs in zip(newest["arch"], newest["macs"], strict=True)} == EXPECTED


def test_duckdb_reads_a_folder_as_it_is(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    assert dict(duckdb.sql(NEWEST.format(costs=folder)).fetchall()) == EXPECTED


def test_polars_reads_a_folder_as_it_is(folder: Path) -> None:
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    key = ["zoo", "arch", "input", "classes", "variant", "batch"]
    costs = polars.scan_parquet(folder / "*.parquet").sort("counted_at").unique(key, keep="last").collect()
    assert dict(costs.select("arch", "macs").iter_rows()) == EXPECTED
