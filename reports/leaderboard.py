"""From cached facts to the tables a report shows: weights joined with cost and accuracy, one row per weights and input size."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd


@dataclass(frozen=True)
class Source:
    """Where figures come from."""

    name: str
    address: str
    retrieved_at: str
    note: str = ""


@dataclass(frozen=True)
class Totals:
    """How many there are of what the report speaks of."""

    architectures: int
    weights: int
    rows: int
    exact: int
    bound: int
    failed: int


@dataclass(frozen=True)
class Report:
    """Everything a renderer needs; renderers compute nothing and read no cache.

    `leaderboard` has the columns of `reports.columns.LEADERBOARD`, `coverage` those of `COVERAGE`, `unjoined` those of
    `UNJOINED`; whole numbers are `Int64`, other figures `Float64`, text `string`, flags `boolean`, and unknown is NA.
    """

    title: str
    created_at: datetime
    convention: str
    versions: dict[str, str]
    totals: Totals
    leaderboard: pd.DataFrame
    coverage: pd.DataFrame
    unjoined: pd.DataFrame
    warnings: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    command: str = ""  # what makes this report again
    notes: tuple[str, ...] = field(default=())  # differences a reader should know, such as auxiliary heads
