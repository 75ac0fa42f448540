"""Tables of timm's published results, and the reader of their CSV form."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from zoo.documents.csv_table import parse_table
from zoo.documents.files import DocumentKind
from zoo.errors import AccuracyError

RESULTS = DocumentKind("table of results", AccuracyError, 32_000_000)
TABLES = {
    "results-imagenet.csv": "imagenet-1k",
    "results-imagenet-real.csv": "imagenet-real",
    "results-imagenetv2-matched-frequency.csv": "imagenet-v2",
    "results-sketch.csv": "imagenet-sketch",
    "results-imagenet-a.csv": "imagenet-a",
    "results-imagenet-a-clean.csv": "imagenet-a-clean",
    "results-imagenet-r.csv": "imagenet-r",
    "results-imagenet-r-clean.csv": "imagenet-r-clean",
}
"""Datasets by the name of their table in timm's folder of results."""

MAIN_TABLE = "results-imagenet.csv"
REQUIRED = ("model", "img_size", "top1", "top5")
"""Columns of every table: `arch.tag`, pixels, percent, percent."""
_LIMITS = {"img_size": (1, 100_000), "top1": (0, 100), "top5": (0, 100)}


@dataclass(frozen=True, slots=True)
class ResultTable:
    """An available result table; its rows are read on demand."""

    dataset: str
    source: str
    retrieved_at: str  # ISO 8601, UTC
    revision: str  # the beginning of the SHA-256 of its CSV file
    read: Callable[[], pd.DataFrame]  # the columns `REQUIRED` and any others; raises AccuracyError


def csv_table(path: str, content: bytes, dataset: str, source: str, retrieved_at: str) -> ResultTable:
    """The table in a CSV file of this content."""
    return ResultTable(dataset, source, retrieved_at, revision_of(content), functools.partial(read_result_table, path, content))


def revision_of(content: bytes) -> str:
    """The beginning of the SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()[:16]


def read_result_table(path: str, content: bytes) -> pd.DataFrame:
    """The rows of a CSV file, with sizes and results as numbers.

    Raises:
        AccuracyError: if it cannot be read, a required column or size is missing, or a value is not a number in its range.
    """
    read = parse_table(content, path, RESULTS)
    table = pd.DataFrame([row.cells for row in read.rows], columns=[*read.headings])
    missing = set(REQUIRED) - set(table.columns)
    if missing:
        raise AccuracyError(f"'{path}' is not one of timm's result tables: it has no column {', '.join(sorted(missing))}.")
    for column, limits in _LIMITS.items():
        table[column] = _checked_numbers(table[column], path, limits, required=column == "img_size")
    return table


def _checked_numbers(values: pd.Series, path: str, limits: tuple[float, float], *, required: bool) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[~numbers.between(*limits) & (values.notna() | required)]
    if len(wrong):
        raise AccuracyError(
            f"timm's result table '{path}' has '{wrong.iloc[0]}' in column {wrong.name}, which is no number from {limits[0]:g} to {limits[1]:g}."
        )
    return numbers
