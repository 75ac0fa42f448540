"""Caches that somebody else made: foreign files and hostile names, and well-formed parts whose rows make no sense."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zoo.cache.schema.tables import SCHEMA_VERSION, TABLES, VERSION_NOTE
from zoo.cache.storage.parts import checksum, encode, new_name
from zoo.cache.store import Store

READERS = tuple(
    line.strip()
    for line in """
    cache info
    cache verify
    cache compact
    cache export costs -o costs.csv
    cache export speed -o speed.json --history
    cache prune --keep-runs 1
    changes --format md
    select --max-params 30M --format json
    select --device rtx-4090 --max-latency 50ms
    report zoometer.yaml --format md,csv
    report zoometer.yaml --format html
    report zoometer.yaml --format xlsx
    list 'resnet*' --zoo torchvision
    show torchvision/resnet50
    compare torchvision/resnet50 torchvision/resnet18
    speeds list --failed
    audit torchvision --against table.csv
    plot --out plot.svg
    refresh zoometer.yaml
    estimate torchvision/resnet50 --device rtx-4090
    calibrate --device rtx-4090
    """.strip().splitlines()
)
"""Commands that read a cache."""

_TEXTS = (
    "", "banana", "../../etc/passwd", "<script>alert(1)</script>", "a\nb\x1b[31m", "=1+1", "3x0x0", "3x224", "x" * 5_000, "9" * 30, "None", "0", "base",
    "deploy", "failed", "bound", "exact", "timm", "torchvision", "resnet50", "imagenet-1k", "top1", "rtx-4090", "fp16", "nchw", "[]", "{}", "null", "running",
)  # fmt: skip
_NUMBERS = (0, -1, 1, 2**31 - 1, -(2**31))
_LARGE = (2**62, -(2**62), 2**63 - 1)
_FLOATS = (0.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e300, 5e-324, 100.0)
_MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2400, 1, 1, tzinfo=UTC),
)


def add_senseless_rows(cache: Path, rng: random.Random) -> None:
    """A part with up to five rows of a table, some of whose values make no sense."""
    name = rng.choice([table for table in TABLES if table not in ("traces", "workloads")])
    known = Store(cache).read(name).to_pylist()
    schema = pa.schema([field.with_nullable(True) for field in TABLES[name]], metadata=TABLES[name].metadata)
    rows = [dict(rng.choice(known)) if known else {} for _ in range(rng.randint(1, 5))]
    for row in rows:
        for field in rng.sample([*schema], k=min(len(schema), rng.choice((1, 2, 5, 100)))):
            row[field.name] = _value(field.type, rng)
    part = encode(pa.Table.from_pylist(rows, schema=schema), _notes(rng))
    folder = cache / name
    folder.mkdir(exist_ok=True)
    (folder / new_name(part, after=[path.name for path in folder.iterdir()])).write_bytes(part)


def _value(dtype: pa.DataType, rng: random.Random) -> Any:
    if rng.random() < 0.2:
        return None
    if pa.types.is_string(dtype):
        return rng.choice(_TEXTS)
    if pa.types.is_integer(dtype):
        return rng.choice(_NUMBERS if dtype.bit_width < 64 else _NUMBERS + _LARGE)
    if pa.types.is_floating(dtype):
        return rng.choice(_FLOATS)
    if pa.types.is_timestamp(dtype):
        return rng.choice(_MOMENTS)
    return rng.random() < 0.5 if pa.types.is_boolean(dtype) else None


def _notes(rng: random.Random) -> Any:
    return rng.choice(
        (None, None, None, {"replaces": []}, {"replaces": ["nothing"]}, {"replaces": 5}, {"replaces": [1, {}]}, {"zoos": []}, {"zoos": ["torchvision"]},
         {"zoos": 3}, {"zoos": [None, 7]}, [1], "text", {"listing": 5}, {"torchvision": {"a": 1}})
    )  # fmt: skip


def add_foreign_file(cache: Path, rng: random.Random) -> None:
    """A file in the folder of a table that no zoometer wrote, or under a name that none would give."""
    folder = cache / rng.choice(list(TABLES))
    folder.mkdir(exist_ok=True)
    content = rng.choice((_foreign_parquet, _foreign_parquet, _other_content))(rng)
    names = (
        "data.parquet", ".parquet", "a\nb\x1b[31m.parquet", "<script>.parquet", "x" * 200 + ".parquet", os.fsdecode(b"\xff\xfe.parquet"),
        f"part-99999999T999999999999-00000000-{checksum(content)}.parquet", f"part-20260102T030405123456-0f3a9c71-{checksum(content)}.parquet",
        f"part-20260102T030405123456-0f3a9c71-{checksum(content)}-replacing.parquet", f"part-00000101T000000000000-00000000-{checksum(content)}.parquet",
        f"part-99991231T235959999999-00000000-{checksum(content)}.parquet",
    )  # fmt: skip
    path = folder / rng.choice(names)
    match rng.randrange(12):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path.name)
        case _:
            path.write_bytes(content)


def _foreign_parquet(rng: random.Random) -> bytes:
    name = rng.choice(list(TABLES))
    flat = [field for field in TABLES[name] if not pa.types.is_nested(field.type)]
    tables = (
        pa.table({"a": [1, 2], "b": [[1], []], "c": [{"d": 1}, None]}),
        pa.table({}),
        pa.table({field.name: pa.array(["text"], pa.string()) for field in flat}),
        pa.table({field.name: pa.array([[1]]) for field in flat}),
        pa.table({field.name: pa.nulls(3, field.type) for field in flat}),
        pa.table({field.name: pa.array([b"\xff"], pa.binary()) for field in flat}),
    )
    versions = (None, "text", "-1", "0", "1", "2", str(SCHEMA_VERSION), "999", "9" * 5_000)
    notes = {VERSION_NOTE: version} if (version := rng.choice(versions)) else {}
    notes |= rng.choice(({}, {"zoometer.notes": "{"}, {"zoometer.notes": json.dumps(_notes(rng))}))
    data = pa.BufferOutputStream()
    pq.write_table(rng.choice(tables).replace_schema_metadata(notes), data)
    return bytes(data.getvalue())


def _other_content(rng: random.Random) -> bytes:
    whole = _foreign_parquet(rng)
    return rng.choice(
        (
            b"",
            b"PAR1",
            b"text",
            rng.randbytes(100),
            whole[:-9],
            whole[9:],
            whole + b"PAR1",
            b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1",
        )
    )
