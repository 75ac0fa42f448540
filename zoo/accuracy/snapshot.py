"""timm's published results as they come with zoometer, for machines that cannot download them.

One typed Parquet file beside this module holds all of timm's result tables as they were at one revision; its schema says where
they are from. `tests/benchmarks/data_files/make_snapshot.py` makes it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo.accuracy.result_tables import TABLES, ResultTable

FILE = "timm_results.parquet"
PROVENANCE = b"zoometer.provenance"
"""The key of the schema's metadata under which the file says where its figures are from."""

SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("arch", pa.string(), nullable=False),
        pa.field("tag", pa.string(), nullable=False),  # of the weights; empty where timm has them without one
        pa.field("image_pixels", pa.int32(), nullable=False),  # height and width
        pa.field("crop_share", pa.float64()),  # of the resized image that the crop keeps
        pa.field("interpolation", pa.string()),
        pa.field("top1_percent", pa.float64()),
        pa.field("top5_percent", pa.float64()),
    ]
)
_ORIGIN = "comes with zoometer"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a snapshot's figures are from."""

    source: str  # address of the folder of tables
    revision: str  # of that source
    date: str  # of that revision, ISO 8601
    licence: str  # of the figures
    files: Mapping[str, str]  # names of the tables, and the beginning of the SHA-256 of each
    command: str  # what makes the snapshot again

    @classmethod
    def of(cls, schema: pa.Schema) -> Self:
        """What a snapshot's schema says."""
        return cls(**json.loads(schema.metadata[PROVENANCE]))

    def metadata(self) -> dict[bytes, bytes]:
        """The same for a schema."""
        return {PROVENANCE: json.dumps(asdict(self), sort_keys=True).encode()}

    @property
    def retrieved_at(self) -> str:
        """The date as results have it."""
        return f"{self.date}T00:00:00+00:00"


@functools.cache
def snapshot_provenance() -> Provenance:
    """Where the figures are from that come with zoometer."""
    return Provenance.of(pq.read_schema(pa.BufferReader(_content())))


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
    """Whether a result of this source came with zoometer, this version or another."""
    return source.endswith(f", {_ORIGIN})")


def _snapshot_rows(dataset: str) -> pd.DataFrame:
    table = _snapshot_table()
    rows = table.filter(pc.equal(table["dataset"], dataset)).to_pandas()
    names = (rows["arch"] + "." + rows["tag"]).where(rows["tag"] != "", rows["arch"])
    figures = {"img_size": rows["image_pixels"], "top1": rows["top1_percent"], "top5": rows["top5_percent"]}
    return pd.DataFrame({"model": names, **figures})


@functools.lru_cache(maxsize=1)
def _snapshot_table() -> pa.Table:
    return pq.read_table(pa.BufferReader(_content()))


def _content() -> bytes:
    return resources.files("zoo.accuracy").joinpath(FILE).read_bytes()
