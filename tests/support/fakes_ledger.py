"""What was committed to a cache, and whether a reader sees it."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pandas as pd
import pyarrow as pa

Row = tuple[str, datetime]
"""An architecture, and when it was counted."""


@dataclasses.dataclass
class Commit:
    """A row that a writer adds, or the state of its zoo."""

    row: Row
    done_at: int | None = None  # changes of files until it was committed

    def is_done(self, changes: int) -> bool:
        return self.done_at is not None and self.done_at <= changes


@dataclasses.dataclass
class Reading:
    """What a reader must see, as of its start."""

    rows: set[Row]
    states: list[int]  # of each writer's zoo, the one that was committed last


@dataclasses.dataclass
class Ledger:
    """Rows of `costs` with their details in `ops`, and the states of each writer's zoo in `weights`."""

    writers: int
    rows: list[Commit] = dataclasses.field(default_factory=list)
    states: list[list[Commit]] = dataclasses.field(init=False)  # of each writer's zoo, numbered from 1
    is_pruned: bool = False  # only the newest row of a model has to stay

    def __post_init__(self) -> None:
        self.states = [[] for _ in range(self.writers)]

    def new_row(self, arch: str, counted_at: datetime) -> Commit:
        self.rows.append(Commit((arch, counted_at)))
        return self.rows[-1]

    def new_state(self, writer: int, now: datetime) -> Commit:
        self.states[writer].append(Commit((str(len(self.states[writer]) + 1), now)))
        return self.states[writer][-1]

    def reading(self, changes: int) -> Reading:
        """What a reader must see that is shown the first so many changes of files."""
        rows = {commit.row for commit in self.rows if commit.is_done(changes)}
        states = [max((int(commit.row[0]) for commit in own if commit.is_done(changes)), default=0) for own in self.states]
        return Reading(self._kept(rows), states)

    def _kept(self, rows: set[Row]) -> set[Row]:
        """Those that no pruning may have removed; a row that was not committed may have superseded them as well."""
        if not self.is_pruned:
            return rows
        newest = {row[0]: row for row in sorted(commit.row for commit in self.rows)}
        return rows & set(newest.values())

    def check_rows(self, table: pa.Table, reading: Reading) -> None:
        rows = list(zip(table["arch"].to_pylist(), table["counted_at"].to_pylist(), strict=True))
        assert len(rows) == len(set(rows)), "a row is there twice"
        assert set(rows) <= {commit.row for commit in self.rows}, "a row was never written"
        assert self._kept(reading.rows) <= set(rows), "a row is missing"

    def check_details(self, details: pd.DataFrame, reading: Reading) -> None:
        """There are those of the newest row of each model, or of a newer one."""
        assert not details["arch"].duplicated().any(), "a detail is there twice"
        found = dict(zip(details["arch"], details["counted_at"], strict=True))
        newest = dict(sorted(self._kept(reading.rows)))
        assert newest.keys() <= found.keys(), "details are missing"
        assert all(found[arch] >= counted_at for arch, counted_at in newest.items()), "details are old"

    def check_states(self, table: pa.Table, reading: Reading) -> None:
        found = dict(zip(table["zoo"].to_pylist(), map(int, table["tag"].to_pylist()), strict=True))
        assert len(found) == len(table), "a zoo is there twice"
        for number, state in enumerate(reading.states):
            assert found.get(f"writer{number}", 0) >= state, "a state is lost"
