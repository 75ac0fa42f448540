"""The protocol of parts, merges and readers: the store's own code in every order of steps, with crashes, on weak storage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from cache_rows import cost, costs_of
from fakes_protocol import Protocol
from fakes_storage import FakeFolder, Process, World
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from zoo.cache import table_store
from zoo.cache.row_keys import details_of
from zoo.cache.schema.tables import DETAILS, OWNERS, TABLES
from zoo.cache.storage.parts import encode, new_name
from zoo.cache.store import Store
from zoo.cache.table_store import TableStore

STEPS = 20_000
"""Of all storages together."""


class OnADisk(Protocol):
    """A folder that listings of take time, and whose power may fail."""


class OnADiskWithoutLocks(Protocol):
    """A shared file system that passes no locks on."""

    has_locks = False


class InABucket(Protocol):
    """An object store: no locks, no renames, a listing page by page."""

    is_remote = True
    has_locks = False


class InABucketThatLags(InABucket):
    """One whose listings may be some changes behind."""

    may_lag = True


STORAGES = [OnADisk, OnADiskWithoutLocks, InABucket, InABucketThatLags]


def check(storage: type[Protocol], examples: int, **more: Any) -> int:
    """Runs so many machines of up to 50 steps, and gives the number of steps they took."""
    before = Protocol.steps
    run_state_machine_as_test(
        storage,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            **more,
        ),
    )
    return Protocol.steps - before


@pytest.mark.parametrize("storage", STORAGES)
def test_every_row_is_read_once_whatever_happens_between_operations(storage: type[Protocol]) -> None:
    assert check(storage, examples=10) > 100


@pytest.mark.long
@pytest.mark.parametrize("storage", STORAGES)
def test_every_row_is_read_once_in_many_orders(storage: type[Protocol]) -> None:
    steps = 0
    while steps < STEPS // len(STORAGES):
        steps += check(storage, examples=50)


def test_removals_are_durable_before_the_part_that_allowed_them_is_merged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut brings removed parts back; an hour later nothing lists them any more."""
    world = World()
    own, other, reader = (Store("/nowhere") for _ in range(3))
    for store in (own, other, reader):
        store.files = FakeFolder(world)
    rows = costs_of(cost("a"), cost("b"))
    parts = [own.append("costs", rows.slice(number, 1)) for number in range(2)]
    merged = own.append("costs", rows, replaces=[part for part in parts if part])
    assert merged
    other.load("costs", ())

    class AnHourLater(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=2)

    monkeypatch.setattr(table_store, "datetime", AnHourLater)
    merging = Process(world, lambda: other.append("costs", rows, replaces=[merged]))
    while len(world.files) < 2:
        merging.step()
    losses = iter([False, True, True])  # of what is not durable, newest first: the merge is kept, the removals are not
    world.cut_power(lambda: next(losses))

    assert sorted(reader.read("costs")["arch"].to_pylist()) == ["a", "b"]


# Protocols with an error, each of which the machine has to find


def remove_before_writing(patch: pytest.MonkeyPatch) -> None:
    """Rule 2 of `table_store`: what a part replaces is removed once it is durable."""
    append = TableStore.append

    def append_after_removing(self: TableStore, name: str, table: pa.Table, *, replaces: Any = ()) -> str | None:
        for file in replaces:
            self.files.remove(name, file)
        return append(self, name, table, replaces=replaces)

    patch.setattr(TableStore, "append", append_after_removing)


def forget_what_was_replaced(patch: pytest.MonkeyPatch) -> None:
    """Rule 2 again: a merge does not say which parts it was made of."""
    patch.setattr(table_store, "is_replacing", lambda file: False)
    patch.setattr(table_store, "encode", lambda table, notes: encode(table, {**notes, "replaces": []}))


def forget_what_sources_replaced(patch: pytest.MonkeyPatch) -> None:
    """Rule 3."""
    patch.setattr(TableStore, "_replaced_before", lambda *_: iter(()))


def count_rows_of_merges_at_the_same_time_twice(patch: pytest.MonkeyPatch) -> None:
    """Rule 4."""
    patch.setattr(table_store, "distinct_rows", lambda rows, _: rows)


def pass_over_files_that_are_gone(patch: pytest.MonkeyPatch) -> None:
    """Rule 5."""
    decode = TableStore._decode

    def decode_or_pass(*arguments: Any) -> Any:
        with contextlib.suppress(FileNotFoundError):
            return decode(*arguments)
        return None

    patch.setattr(TableStore, "_decode", decode_or_pass)


def name_parts_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(table_store, "new_name", lambda data, after, **more: new_name(data, **more))


def read_details_before_their_owners(patch: pytest.MonkeyPatch) -> None:
    def details(self: Store, name: str, where: Any) -> pa.Table:
        key, columns = OWNERS[DETAILS[name]], TABLES[name].names
        rows = self.read(name, columns, where)
        return details_of(rows, self.in_force(DETAILS[name], key, where=where), key).select(columns)

    patch.setattr(Store, "_details", details)


MUTANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], type[Protocol], tuple[str, ...], str]] = [
    (remove_before_writing, OnADisk, ("costs",), "a row is missing"),
    (forget_what_was_replaced, OnADisk, ("costs",), "a row is there twice"),
    (forget_what_sources_replaced, OnADisk, ("costs",), "a row is there twice"),
    (count_rows_of_merges_at_the_same_time_twice, InABucket, ("costs",), "a row is there twice"),
    (pass_over_files_that_are_gone, OnADisk, ("costs",), "a row is missing"),
    (name_parts_by_the_clock, OnADisk, ("weights",), "a state is lost"),
    (read_details_before_their_owners, OnADisk, ("costs", "ops"), "details are missing"),
]


QUICK = {remove_before_writing, forget_what_was_replaced, forget_what_sources_replaced}
"""Errors that show at once; the others only where two processes meet at a certain moment."""


@pytest.fixture(
    params=[
        pytest.param(mutant, id=mutant[0].__name__, marks=[pytest.mark.long] * (mutant[0] not in QUICK)) for mutant in MUTANTS
    ]
)
def mutant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[type[Protocol], str]:
    mutate, storage, tables, finding = request.param
    monkeypatch.setattr(storage, "subjects", [tables])
    mutate(monkeypatch)
    return storage, finding


def test_an_error_in_the_protocol_is_found(mutant: tuple[type[Protocol], str]) -> None:
    storage, finding = mutant
    with pytest.raises(AssertionError, match=finding):
        check(storage, examples=STEPS // 50, phases=[Phase.generate], database=None)
