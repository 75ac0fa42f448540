"""Files of older formats, and other programs' view of the present one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from cache_rows import BIG, cost, costs_of
from nets_for_tests import WIDTH
from paths import FIXTURES

from zoo.cache.health import verify
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import SCHEMA_VERSION, SNAPSHOTS, TABLES, schema_version
from zoo.cache.store import Store

NEWEST = """
SELECT arch, macs FROM '{costs}/*.parquet'
QUALIFY row_number() OVER (PARTITION BY zoo, arch, input, classes, variant, batch ORDER BY counted_at DESC) = 1
"""


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """A cache of format 2: two declared models counted and traced, with one row of speed and one unmatched result."""
    shutil.copytree(FIXTURES / "cache_v2", tmp_path / "cache")
    return Store(tmp_path / "cache")


def check(store: Store) -> None:
    macs = {"linear": 4 * 3, "twice": 2 * WIDTH * WIDTH * 3 * 3 * 8 * 8}
    costs = store.costs().set_index("arch")
    assert costs["macs"].to_dict() == macs
    assert costs["macs_bmm"].to_dict() == dict.fromkeys(macs, 0)
    assert store.read("costs", ["arch"], where={"variant": ["base"]})["arch"].to_pylist() == list(macs)
    assert store.details("ops").groupby("arch")["macs"].sum().to_dict() == macs
    for name in ("costs", "ops", "traces", "workloads", "plans", "speed"):
        assert set(store.read(name, ["variant"])["variant"].to_pylist()) == {"base"}, name
    assert [architecture.variants for architecture in store.architectures()] == [("base",)] * 2
    assert store.read("unmatched", ["name"])["name"].to_pylist() == ["gone"]
    assert [(run.planned, run.status) for run in store.runs()] == [(2, "done")]


def test_files_of_the_format_before_are_read(old: Store, caplog: pytest.LogCaptureFixture) -> None:
    check(old)
    assert not caplog.text


def test_compaction_brings_old_files_to_the_present_format(old: Store, caplog: pytest.LogCaptureFixture) -> None:
    old.prepare()
    check(old)
    compact(old)
    check(old)
    check(Store(old.address))
    assert not list(verify(old))
    assert not caplog.text
    for name in TABLES.keys() - SNAPSHOTS - {"results"}:  # which format 2 did not have
        (path,) = Path(old.address, name).glob("*.parquet")
        assert schema_version(pq.read_schema(path)) == SCHEMA_VERSION


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
