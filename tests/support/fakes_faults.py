"""Commands that faults disturb, what they say is durable, and whether the cache still has it."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from fakes_storage import World

from zoo.cache.maintenance import compact, prune
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store
from zoo.errors import ZooError

COMMITS = 3
"""Parts of costs that a refresh writes."""

Say = Callable[[str], object]


def refresh(store: Store, number: int, say: Say) -> None:
    """Writes what a refresh writes: its beginning, snapshots, details before costs, its end."""
    store.prepare()
    run = {"run": f"run{number}", "status": "running", "plan": "p", "started_at": datetime.now(UTC)}
    begun = store.append("runs", table_of("runs", [run]))
    store.replace("weights", table_of("weights", [{"zoo": "z", "arch": "a", "tag": str(number)}]), {"z"})
    say(f"weights {number}")
    for part in range(COMMITS):
        rows: list[dict[str, Any]] = [
            {"zoo": "z", "arch": arch, "input": "8", "variant": "base", "batch": 1, "counted_at": datetime.now(UTC)}
            for arch in (f"new{number}-{part}", f"again{part}")
        ]
        store.append("ops", table_of("ops", [{**row, "position": 0, "calls": 1} for row in rows]))
        store.append("costs", table_of("costs", [{**row, "status": "exact", "operations": 1} for row in rows]))
        for row in rows:
            say(f"row {row['arch']} {row['counted_at'].isoformat()}")
    ended = {**run, "status": "done", "finished_at": datetime.now(UTC)}
    store.append("runs", table_of("runs", [ended]), replaces=[begun] if begun else [])


def _compact(store: Store, number: int, say: Say) -> None:
    store.prepare()
    compact(store)


def _prune(store: Store, number: int, say: Say) -> None:
    store.prepare()
    prune(store, datetime.now(UTC) - timedelta(seconds=1))


COMMANDS: dict[str, Callable[[Store, int, Say], None]] = {"refresh": refresh, "compact": _compact, "prune": _prune}


@dataclass
class Committed:
    """What was committed, and how much of it the cache has lost or shows twice."""

    committed: set[tuple[str, datetime]] = field(default_factory=set)
    weights: int = 0  # the state of the snapshot table that was committed last
    lost: int = 0
    twice: int = 0

    def check(self, store: Store) -> None:
        """Every model's newest value is there with its details, and none twice. Older values may have been pruned."""
        table = store.read("costs", ["arch", "counted_at"])
        rows = Counter(zip(table["arch"].to_pylist(), table["counted_at"].to_pylist(), strict=True))
        newest, found = dict(sorted(self.committed)), dict(sorted(rows))
        self.lost += sum(arch not in found or found[arch] < counted_at for arch, counted_at in newest.items())
        self.twice += sum(number - 1 for number in rows.values())
        states = [int(tag) for tag in store.read("weights", ["tag"])["tag"].to_pylist() if tag.isdecimal()]
        self.lost += max(states, default=0) < self.weights
        self.twice += max(len(states) - 1, 0)
        ops = store.read("ops", ["arch", "counted_at", "position"])
        details = Counter(zip(*(ops[column].to_pylist() for column in ops.column_names), strict=True))
        in_force = {(arch, counted_at) for arch, counted_at in found.items() if arch in newest}
        self.lost += len(in_force - {detail[:2] for detail in details})
        self.twice += sum(number - 1 for number in details.values())


def note(committed: Committed, line: str) -> None:
    """Enters a line that a command said once something was durable."""
    kind, *rest = line.split()
    if kind == "weights":
        committed.weights = int(rest[0])
    elif kind == "row":
        committed.committed.add((rest[0], datetime.fromisoformat(rest[1])))


@dataclass
class Outcome:
    """A line of the table."""

    fault: str
    faults: int = 0
    finished: int = 0
    told: int = 0  # commands that ended with a sentence for the user
    raised: list[str] = field(default_factory=list)  # what else was raised
    ledger: Committed = field(default_factory=Committed)

    @staticmethod
    def head() -> str:
        columns = ("fault", "faults", "finished", "ended with a sentence", "traceback", "rows lost", "rows twice")
        return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"

    @property
    def is_bad(self) -> bool:
        return bool(self.raised or self.ledger.lost or self.ledger.twice)

    def run(self, command: Callable[[], object]) -> None:
        """Runs a command and sees how it ends."""
        try:
            command()
            self.finished += 1
        except ZooError:
            self.told += 1
        except Exception as error:  # noqa: BLE001 - that is the question
            self.raised.append(f"{type(error).__name__}: {error}")

    def row(self) -> str:
        figures = (self.faults, self.finished, self.told, len(self.raised), self.ledger.lost, self.ledger.twice)
        return f"| {self.fault} | {' | '.join(f'{figure:,}' for figure in figures)} |"


class Switch:
    """Lets the nth of some operations fail, or all from the nth on."""

    def __init__(self, *, is_lasting: bool = False) -> None:
        self.left = 0
        self._is_lasting = is_lasting

    def is_due(self) -> bool:
        self.left -= 1
        return self.left == 0 or (self._is_lasting and self.left < 0)


def makes_something(name: str, arguments: list[Any]) -> bool:
    """Whether a call needs space: a file may be opened for reading as well."""
    if name == "os.open":
        return bool(arguments[1] & os.O_CREAT)
    return name != "Path.open" or "w" in str(arguments[1:2])


@contextmanager
def failing(switch: Switch, code: int, names: tuple[str, ...]) -> Iterator[None]:
    """Makes these functions raise an error of the system when the switch says so."""

    def patched(name: str) -> Any:
        owner, _, attribute = name.rpartition(".")
        place: Any = {"os": os, "Path": pathlib.Path}[owner]
        original = getattr(place, attribute)

        def call(*arguments: Any, **more: Any) -> Any:
            if makes_something(name, [*arguments, *more.values()]) and switch.is_due():
                raise OSError(code, os.strerror(code))
            return original(*arguments, **more)

        return mock.patch.object(place, attribute, call)

    patches = [patched(name) for name in names]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class Weather(World):
    """A storage of which one request fails, or all from one on: writes before they have an effect, and after it."""

    switch = Switch()
    error: Exception | None = None

    def wait_for_turn(self, operation: str) -> None:
        if self.error and self.switch.is_due():
            raise self.error
