"""Processes that share a cache, as a state machine: writers, compactions, prunings and readers in every order of steps.

Whatever happens between their operations on files, a reader sees every row that was committed before it began exactly once, and of
the others none twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import fsspec
import pandas as pd
import pyarrow as pa
import pytest
from cache_rows import costs_of, weights_of
from fakes_ledger import Commit, Ledger, Reading
from fakes_reduced_tables import Only, reduce_tables
from fakes_storage import FLUSH, LIST, LONGEST_LAG, READ, REMOVE, WRITE, Bucket, FakeFolder, Process, World
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zoo.cache import health, maintenance, table_store
from zoo.cache.health import verify
from zoo.cache.maintenance import compact, prune
from zoo.cache.schema.tables import table_of
from zoo.cache.storage import parts, remote_files
from zoo.cache.store import Store
from zoo.errors import BusyError, CacheError

NUMBERS = {"writer": 3, "merger": 2, "reader": 2}
ARCHS = ("a", "b")
LONG = timedelta(hours=30)
"""Enough for whatever is remembered for a time to be forgotten."""

STOPS = {
    "reader": (LIST, READ),
    "merger": (LIST, READ, WRITE, FLUSH, REMOVE),
    "writer": (WRITE, FLUSH),
}
"""The operations before which each kind of process is left waiting."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Protocol(RuleBasedStateMachine):
    """Processes that share a cache, step by step."""

    is_remote = False
    has_locks = True
    may_lag = False  # whether listings may show an earlier state; the order of a zoo's states then rests on the clock
    subjects: ClassVar[list[tuple[str, ...]]] = [("costs",), ("costs",), ("costs", "ops"), ("weights",)]  # tables to write
    steps: ClassVar[int] = 0  # that all machines have taken

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.world = World(has_locks=self.has_locks)
        self.stores: dict[str, Store] = {}
        self.work: dict[str, Process] = {}
        self.ledger = Ledger(NUMBERS["writer"])
        self.tables: tuple[str, ...] = ()
        self.is_going_on = False  # since the last check

    @initialize(data=st.data())
    def set_up(self, data: st.DataObject) -> None:
        world, patch = self.world, self.patch
        self.tables = data.draw(st.sampled_from(self.subjects))

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return world.tick()

        for module in (parts, maintenance, table_store):
            patch.setattr(module, "datetime", Clock)
        reduce_tables(patch)
        patch.setattr("zoo.cache.storage.parts.uuid.uuid4", lambda: type("Number", (), {"hex": world.number()}))
        patch.setattr("zoo.cache.table_store.time.sleep", lambda _: world.wait_for_turn(READ))
        patch.setattr(maintenance, "locked", world.locked)
        patch.setattr(maintenance, "TABLES", Only(self.tables))
        patch.setattr(maintenance, "FULL_ROWS", 4)
        if self.is_remote:
            fsspec.register_implementation("bucket", Bucket, clobber=True)
            patch.setattr(remote_files, "_PUT_WHOLE", {"bucket"})
            patch.setattr(Bucket, "world", world, raising=False)

    def teardown(self) -> None:
        try:
            if not self.is_going_on:  # otherwise something has failed already
                self.end()
        finally:
            self.world.kill_all()
            self.patch.undo()

    def end(self) -> None:
        """All processes end; what is left is compacted and read in peace."""
        for process in self.work.values():
            process.finish()
            self.check_end(process)
        self.world.listing_lag = 0
        for module in (maintenance, health):
            self.patch.setattr(module, "TABLES", Only(self.tables))
        for _ in range(2):  # what was merged twice is one part then
            compact(self.new_store())
        store, reading = self.new_store(), self.ledger.reading(self.world.changes)
        self.ledger.check_rows(store.read("costs"), reading)
        self.ledger.check_states(store.read("weights"), reading)
        if "ops" in self.tables:
            self.ledger.check_details(store.details("ops"), reading)
        problems = [problem.what for problem in verify(store)]
        assert not [what for what in problems if "never committed" not in what and "lack" not in what], problems

    def new_store(self) -> Store:
        store = Store("bucket://cache" if self.is_remote else "/nowhere")
        if not self.is_remote:
            store.files = FakeFolder(self.world)
        return store

    def store(self, name: str) -> Store:
        """That of a process that lives until it is killed."""
        return self.stores.setdefault(name, self.new_store())

    def is_free(self, kind: str) -> bool:
        return any(f"{kind}{number}" not in self.work for number in range(NUMBERS[kind]))

    def new_name(self, kind: str) -> str:
        return next(name for number in range(NUMBERS[kind]) if (name := f"{kind}{number}") not in self.work)

    def start(self, name: str, work: Callable[[], Any]) -> None:
        self.work[name] = Process(self.world, work)

    @rule(data=st.data())
    def take_step(self, data: st.DataObject) -> None:
        """One rule that draws what happens: of several rules hypothesis leaves out half, and with them most of what can meet."""
        self.is_going_on = True
        data.draw(st.sampled_from(list(self.possible_actions())))(data.draw)

    def possible_actions(self) -> Iterator[Callable[[Draw], None]]:
        """What may happen next, as often as it is to be chosen."""
        if self.work:
            yield from [self.go_on] * 4 + [self.finish] * 3 + [self.kill]
        yield from [self.compact_at_once] * 2 + [self.let_fail, self.set_clock_back]
        if "costs" in self.tables:
            yield from [self.write_at_once] * 2
        if self.is_free("writer"):
            yield from [self.begin_write if "costs" in self.tables else self.begin_replace] * 2
        if self.is_free("merger"):
            yield from [self.begin_merge] * 2
        if self.is_free("reader"):
            yield from [self.begin_read] * 3
        if all(name.startswith("reader") for name in self.work):
            yield self.let_time_pass
        yield self.let_listings_lag if self.is_remote else self.cut_power

    # What is begun, or done at once

    def write_at_once(self, draw: Draw) -> None:
        for _ in range(draw(st.integers(1, 3))):
            self.write("another", self.ledger.new_row(draw(st.sampled_from(ARCHS)), self.world.tick()))

    def compact_at_once(self, draw: Draw) -> None:
        """A compaction that nothing comes between, perhaps killed."""
        process = Process(self.world, lambda: compact(self.new_store(), wait=False))
        if draw(st.booleans()):
            process.finish()
            self.check_end(process)
            return
        for operation in [draw(st.sampled_from([WRITE, FLUSH, REMOVE])), *[REMOVE] * draw(st.integers(0, 3))]:
            if not process.has_ended:
                process.step_until(operation)
        if not process.has_ended:
            process.kill()

    def begin_write(self, draw: Draw) -> None:
        name = self.new_name("writer")
        commit = self.ledger.new_row(draw(st.sampled_from(ARCHS)), self.world.tick())
        self.start(name, lambda: self.write(name, commit))
        self.go_on_with(name, draw)

    def write(self, name: str, commit: Commit) -> None:
        """Details first, as a refresh does."""
        store, (arch, counted_at) = self.store(name), commit.row
        row = {"zoo": "timm", "arch": arch, "input": "8", "variant": "base", "batch": 1, "counted_at": counted_at}
        if "ops" in self.tables:
            store.append("ops", table_of("ops", [{**row, "position": 0, "calls": 1}]))
        store.append("costs", costs_of({**row, "status": "exact", "operations": 1}))
        commit.done_at = self.world.changes

    def begin_replace(self, draw: Draw) -> None:
        name = self.new_name("writer")
        commit = self.ledger.new_state(int(name[-1]), self.world.tick())
        self.start(name, lambda: self.replace(name, commit))
        if draw(st.booleans()):
            self.work[name].finish()
        else:
            self.go_on_with(name, draw)

    def replace(self, name: str, commit: Commit) -> None:
        self.store(name).replace("weights", weights_of(name, commit.row[0]), {name})
        commit.done_at = self.world.changes

    def begin_merge(self, draw: Draw) -> None:
        name, cutoff = self.new_name("merger"), self.world.now
        if "costs" in self.tables and draw(st.booleans()):
            self.ledger.is_pruned = True
            self.start(name, lambda: prune(self.store(name), cutoff, wait=False))
        else:
            self.start(name, lambda: compact(self.store(name), wait=False))
        self.go_on_with(name, draw)

    def begin_read(self, draw: Draw) -> None:
        name, table = self.new_name("reader"), draw(st.sampled_from(self.tables))
        if draw(st.booleans()):
            self.stores.pop(name, None)
        shown = self.world.changes - (LONGEST_LAG if self.may_lag else 0)
        if self.is_remote and name in self.stores:  # an address is listed once a minute
            shown = 0
        reading, store = self.ledger.reading(shown), self.store(name)
        columns = ("arch", "counted_at") if table == "costs" and draw(st.booleans()) else None
        if table == "ops":
            self.start(name, lambda: (reading, store.details("ops")))
        else:
            self.start(name, lambda: (reading, store.read(table, columns)))
        self.go_on_with(name, draw)

    # What happens

    def go_on(self, draw: Draw) -> None:
        """A process goes on until it waits before an operation of some kind, and a little further."""
        self.go_on_with(draw(st.sampled_from(sorted(self.work))), draw)

    def go_on_with(self, name: str, draw: Draw) -> None:
        process = self.work[name]
        process.step_until(draw(st.sampled_from(STOPS[name[:-1]])))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2, 4]))):
            if not process.has_ended:
                process.step()

    def finish(self, draw: Draw) -> None:
        self.work[draw(st.sampled_from(sorted(self.work)))].finish()

    def kill(self, draw: Draw) -> None:
        name = draw(st.sampled_from(sorted(self.work)))
        self.work.pop(name).kill()
        self.stores.pop(name, None)

    def cut_power(self, draw: Draw) -> None:
        self.world.cut_power(lambda: draw(st.booleans()))
        self.work.clear()
        self.stores.clear()

    def let_fail(self, draw: Draw) -> None:
        """The next operations of a kind fail, whoever takes them; after a flush that failed, the file is there all the same."""
        self.world.failures[draw(st.sampled_from([WRITE, FLUSH, REMOVE]))] = draw(st.integers(1, 4))

    def let_listings_lag(self, draw: Draw) -> None:
        if self.may_lag:
            self.world.listing_lag = draw(st.integers(0, LONGEST_LAG))

    def set_clock_back(self, draw: Draw) -> None:
        """New rows are never older than those they supersede: which one counts is not about files."""
        if not self.may_lag:
            earlier = self.world.now - timedelta(hours=draw(st.integers(1, 50)))
            self.world.now = max([earlier, *(commit.row[1] for commit in self.ledger.rows)])

    def let_time_pass(self, _: Draw) -> None:
        """Nobody waits that long between two operations."""
        self.world.now += LONG
        self.world.unsynced.clear()
        self.world.listing_lag = 0

    # What has to hold

    @invariant()
    def check_ended(self) -> None:
        for name, process in list(self.work.items()):
            if process.has_ended:
                self.check_end(self.work.pop(name))
        Protocol.steps += 1
        self.is_going_on = False

    def check_end(self, process: Process) -> None:
        if isinstance(process.error, BusyError):
            return  # another merges
        if isinstance(process.error, CacheError) and (self.may_lag or process.met_failure):
            return  # the command says that it should be tried again
        if process.error is not None:
            raise process.error
        match process.result:
            case (Reading() as reading, pa.Table() as rows) if "tag" in rows.column_names:
                self.ledger.check_states(rows, reading)
            case (Reading() as reading, pa.Table() as rows):
                self.ledger.check_rows(rows, reading)
            case (Reading() as reading, pd.DataFrame() as details):
                self.ledger.check_details(details, reading)
