"""Makes the snapshot of timm's results that comes with zoometer, from the folder `results` of timm's repository.

    python tests/benchmarks/data_files/make_snapshot.py pytorch-image-models/results --revision aa4b5850 --date 2026-08-08

All eight tables are needed; the same ones give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

import pandas as pd  # noqa: E402 the folders of a script's neighbours are not searched by themselves
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from zoo.accuracy.result_tables import TABLES, read_result_table, revision_of  # noqa: E402
from zoo.accuracy.snapshot import FILE, PROVENANCE, Provenance  # noqa: E402
from zoo.errors import AccuracyError  # noqa: E402

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
SOURCE = "https://github.com/huggingface/pytorch-image-models/tree/{revision}/results"
LICENCE = "Apache-2.0"
_KEY = ["dataset", "arch", "tag", "image_pixels"]
_log = logging.getLogger(__name__)


def make_snapshot(folder: Path, *, revision: str, day: str) -> pa.Table:
    """All of the folder's result tables as one, with its provenance in the schema.

    Raises:
        AccuracyError: if a table is missing or not as it should be, or two of its rows say different things of one model.
    """
    contents = {name: _read(folder / name) for name in TABLES}
    rows = pd.concat([_rows(str(folder / name), content, TABLES[name]) for name, content in contents.items()])
    rows = rows.sort_values(_KEY, ignore_index=True)
    twice = rows[rows.duplicated(_KEY)]
    if len(twice):
        dataset, arch, tag, pixels = twice.iloc[0][_KEY]
        raise AccuracyError(f"{dataset} has {arch}{'.' if tag else ''}{tag} at {pixels} pixels twice.")
    about = Provenance(
        SOURCE.format(revision=revision), revision, day, LICENCE, _revisions(contents),
        f"python tests/benchmarks/data_files/make_snapshot.py FOLDER --revision {revision} --date {day}",
    )  # fmt: skip
    metadata = {PROVENANCE: json.dumps(asdict(about), sort_keys=True).encode()}
    return pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False).replace_schema_metadata(metadata)


def write_snapshot(table: pa.Table, path: Path) -> None:
    """Writes it, small: names and sizes repeat in every table."""
    pq.write_table(table, path, compression="zstd", compression_level=19)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AccuracyError(f"timm's result table '{path}' cannot be read: {error.strerror}.") from error


def _revisions(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: revision_of(content) for name, content in contents.items()}


def _rows(path: str, content: bytes, dataset: str) -> pd.DataFrame:
    table = read_result_table(path, content)
    if missing := {"crop_pct", "interpolation"} - set(table.columns):
        raise AccuracyError(f"timm's result table '{path}' has no column {', '.join(sorted(missing))}.")
    names = table["model"].str.partition(".")
    return pd.DataFrame(
        {
            "dataset": dataset,
            "arch": names[0],
            "tag": names[2],
            "image_pixels": table["img_size"],
            "crop_share": pd.to_numeric(table["crop_pct"]),
            "interpolation": table["interpolation"],
            "top1_percent": table["top1"],
            "top5_percent": table["top5"],
        }
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the snapshot of timm's results.")
    parser.add_argument("folder", type=Path, help="the folder results of timm's repository")
    parser.add_argument("--revision", required=True, help="the commit it is of")
    parser.add_argument("--date", required=True, type=date.fromisoformat, help="of that commit: 2026-08-08")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parents[3] / "zoo" / "accuracy" / FILE,
        help="default: the file of this checkout",
    )
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    table = make_snapshot(asked.folder, revision=asked.revision, day=asked.date.isoformat())
    write_snapshot(table, asked.out)
    _log.info("%s rows of %s tables, %s bytes: %s", len(table), len(TABLES), asked.out.stat().st_size, asked.out)


if __name__ == "__main__":
    main()
