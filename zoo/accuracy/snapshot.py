"""timm's published results as they come with zoometer, for machines that cannot download them.

One typed Parquet file beside this module holds all of timm's result tables at one revision; the metadata of its schema states their origin.
`tests/benchmarks/data_files/make_snapshot.py` makes it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo.accuracy.result_tables import TABLES, ResultTable

FILE = "timm_results.parquet"
PROVENANCE = b"zoometer.provenance"
"""The key of the provenance in the metadata of the file's schema."""

_ORIGIN = "comes with zoometer"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a snapshot's figures."""

    source: str  # address of the folder of tables
    revision: str  # of that source
    date: str  # of that revision, ISO 8601
    licence: str  # of the figures
    files: Mapping[str, str]  # the beginning of the SHA-256 of each table, by name
    command: str  # that makes the snapshot again

    @classmethod
    def of(cls, schema: pa.Schema) -> Self:
        """The provenance in a snapshot's schema."""
        return cls(**json.loads(schema.metadata[PROVENANCE]))

    @property
    def retrieved_at(self) -> str:
        """The date in the format of `Accuracy.retrieved_at`."""
        return f"{self.date}T00:00:00+00:00"


@functools.cache
def snapshot_provenance() -> Provenance:
    """The origin of the figures that come with zoometer."""
    return Provenance.of(pq.read_schema(pa.BufferReader(_snapshot_bytes())))


def snapshot_tables() -> list[ResultTable]:
    """The tables that come with zoometer."""
    about = snapshot_provenance()
    return [
        ResultTable(
            dataset, f"timm {name} ({about.revision}, {_ORIGIN})", about.retrieved_at, about.files[name],
            functools.partial(_snapshot_rows, dataset),
        )
        for name, dataset in TABLES.items()
    ]  # fmt: skip


def is_of_snapshot(source: str) -> bool:
    """Whether a result of this source came with zoometer, in this version or another."""
    return source.endswith(f", {_ORIGIN})")


def _snapshot_rows(dataset: str) -> pd.DataFrame:
    table = _snapshot_table()
    rows = table.filter(pc.equal(table["dataset"], dataset)).to_pandas()
    names = (rows["arch"] + "." + rows["tag"]).where(rows["tag"] != "", rows["arch"])
    figures = {"img_size": rows["image_pixels"], "top1": rows["top1_percent"], "top5": rows["top5_percent"]}
    return pd.DataFrame({"model": names, **figures})


@functools.lru_cache(maxsize=1)
def _snapshot_table() -> pa.Table:
    return pq.read_table(pa.BufferReader(_snapshot_bytes()))


def _snapshot_bytes() -> bytes:
    return resources.files("zoo.accuracy").joinpath(FILE).read_bytes()
