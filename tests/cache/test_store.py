"""The cache: what is written is read back exactly, and neither damage nor a full disk takes what was kept before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cache_rows import BIG, NOON, cost, costs_of, everything, parts, weights_of

from zoo.cache.schema.tables import KEY, TABLES, columns_of, table_of
from zoo.cache.storage.parts import checksum
from zoo.cache.store import Store
from zoo.errors import CacheError
from zoo.records import Accuracy, Architecture, Weights


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "cache")
    store.prepare()
    return store


def example_of(dtype: Any, values: dict[Any, Callable[[int], Any]], i: int) -> Any:
    """A value of a column, also of a nested one, by those of what it is nested of."""
    if dtype in values:
        return values[dtype](i)
    if pa.types.is_struct(dtype):
        return {field.name: example_of(field.type, values, i + place) for place, field in enumerate(dtype)}
    return [example_of(dtype.value_type, values, i + place) for place in range(2)]


@pytest.mark.parametrize("name", TABLES)
def test_rows_come_back_as_they_were_written(store: Store, name: str) -> None:
    """Each column has a value that no other has, and one row has only what must be there."""
    values: dict[Any, Callable[[int], Any]] = {
        pa.string(): lambda i: f"text {i}",
        pa.int64(): lambda i: BIG + i,
        pa.int32(): lambda i: i,
        pa.float64(): lambda i: i / 8,
        pa.bool_(): lambda _: True,
        pa.list_(pa.string()): lambda i: [f"text {i}", "another"],
        pa.timestamp("us", tz="UTC"): lambda i: NOON + timedelta(microseconds=i),
    }
    full = {field.name: example_of(field.type, values, i) for i, field in enumerate(TABLES[name])}
    bare = {field.name: full[field.name] for field in TABLES[name] if not field.nullable}
    store.append(name, table_of(name, [full, bare]))
    read = store.read(name)
    assert read.schema == TABLES[name]
    assert read.to_pylist() == [full, dict.fromkeys(TABLES[name].names) | bare]
    assert store.read(name, ["zoo"] if "zoo" in full else ["run"]).num_columns == 1


def test_whole_columns_make_the_same_table_as_rows() -> None:
    rows = [cost(f"a{i}", macs=i) for i in range(3)]
    shared = {key: rows[0][key] for key in ("zoo", "input", "classes", "variant", "batch", "status", "counted_at")}
    assert columns_of("costs", 3, {"arch": ["a0", "a1", "a2"], "macs": [0, 1, 2]}, shared).equals(costs_of(*rows))


def test_pandas_reads_a_table_folder_as_it_is(store: Store) -> None:
    store.append("costs", costs_of(cost("a", macs=BIG)))
    store.append("costs", costs_of(cost("b", macs=None)))
    frame = pd.read_parquet(Path(store.address) / "costs", dtype_backend="numpy_nullable")
    assert dict(zip(frame["arch"], frame["macs"], strict=True)) == {"a": BIG, "b": pd.NA}
    assert list(frame.columns) == TABLES["costs"].names


def test_the_newest_row_of_a_key_wins_whatever_part_it_is_in(store: Store) -> None:
    store.append("costs", costs_of(cost(minutes=5, macs=5), cost(minutes=9, macs=9, classes=None), cost("other", macs=1)))
    store.append(
        "costs", costs_of(cost(minutes=1, macs=1), cost(minutes=2, macs=2, classes=None), cost(minutes=1, macs=7, classes=0))
    )
    costs = store.costs()
    assert len(costs) == 4
    newest = {
        (arch, None if pd.isna(classes) else classes): macs
        for arch, classes, macs in zip(costs["arch"], costs["classes"], costs["macs"], strict=True)
    }
    assert newest == {("small", 1000): 5, ("small", None): 9, ("small", 0): 7, ("other", 1000): 1}


def test_whole_numbers_stay_exact_and_unknown_ones_unknown(store: Store) -> None:
    store.append("costs", costs_of(cost("a", macs=BIG, params=0), cost("b")))
    costs = store.costs().set_index("arch")
    assert str(costs["macs"].dtype) == "Int64"
    assert costs.loc["a", "macs"] == BIG
    assert costs.loc["a", "params"] == 0
    assert costs.loc["b", "macs"] is pd.NA
    assert costs.loc["b", "reason"] is pd.NA


def test_an_empty_cache_is_read_as_empty_tables(tmp_path: Path) -> None:
    store = Store(tmp_path / "never written")
    assert len(store.costs()) == 0
    assert list(store.costs().columns) == TABLES["costs"].names
    assert (store.architectures(), store.accuracy()) == ([], [])
    assert not Path(store.address).exists()


def test_architectures_come_back_with_their_weights(store: Store) -> None:
    weights = Weights(
        "timm", "small", "in1k", "classification", "imagenet-1k", 1000, "3x224x224", 5, "mit", "https://x", "paper", True
    )
    kept = Architecture("timm", "small", "classification", "family", "3x224x224", 1000, (weights,), note="a note")
    bare = Architecture("timm", "bare", "features", None, "3x64x64", None)
    rows = [
        {"zoo": a.zoo, "arch": a.name, "task": a.task, "family": a.family, "input": a.input, "classes": a.classes, "note": a.note}
        for a in (kept, bare)
    ]
    store.append("architectures", table_of("architectures", rows))
    store.append("weights", table_of("weights", [{name: getattr(weights, name) for name in Weights.__slots__}]))
    assert store.architectures() == [kept, bare]


def test_accuracy_comes_back(store: Store) -> None:
    row = Accuracy("timm", "small", "in1k", "imagenet-1k", "top1", "3x224x224", 80.125, "source", "2026-01-02T00:00:00+00:00")
    store.append("accuracy", table_of("accuracy", [{name: getattr(row, name) for name in Accuracy.__slots__}]))
    assert store.accuracy() == [row]


def test_files_of_others_in_a_table_folder_are_left_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append("costs", costs_of(cost()))
    for name in (".part-1.parquet.tmp", "README.md", "_SUCCESS"):
        (Path(store.address) / "costs" / name).write_text("not a part")
    assert len(store.costs()) == 1
    assert caplog.text == ""


def test_replacing_a_snapshot_changes_only_the_given_zoos(store: Store) -> None:
    store.replace(
        "weights", pa.concat_tables([weights_of("timm", "a", "b"), weights_of("torchvision", "c")]), {"timm", "torchvision"}
    )
    store.replace("weights", weights_of("timm", "b", "d"), {"timm"})
    assert sorted((row["zoo"], row["tag"]) for row in store.read("weights").to_pylist()) == [
        ("timm", "b"),
        ("timm", "d"),
        ("torchvision", "c"),
    ]
    assert len(parts(store, "weights")) == 2  # one for each zoo


def test_replacing_a_snapshot_by_itself_writes_nothing(store: Store) -> None:
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    before = everything(store)
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    store.replace("weights", weights_of("timm"), set())
    assert everything(store) == before


def test_the_order_in_which_zoos_are_replaced_makes_no_difference(store: Store) -> None:
    both = pa.concat_tables([weights_of("timm", "b", "a"), weights_of("another", "c")])
    store.replace("weights", both, {"timm", "another"})
    before = everything(store)
    for zoo, tags in (("another", ["c"]), ("timm", ["b", "a"])):
        store.replace("weights", weights_of(zoo, *tags), {zoo})
    assert everything(store) == before


def test_the_last_state_counts_where_the_clock_was_set_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("weights", weights_of("timm", "a"), {"timm"})

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(days=30)

    monkeypatch.setattr("zoo.cache.storage.parts.datetime", Earlier)
    store.replace("weights", weights_of("timm", "b"), {"timm"})
    assert [row["tag"] for row in Store(store.address).read("weights").to_pylist()] == ["b"]


def test_a_snapshot_can_become_empty(store: Store) -> None:
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    store.replace("weights", weights_of("timm"), {"timm"})
    assert len(store.read("weights")) == 0


def test_a_replacement_that_was_killed_before_it_removed_the_old_part_doubles_nothing(store: Store) -> None:
    store.replace("weights", weights_of("timm", "a", "b"), {"timm"})
    (old,) = parts(store, "weights")
    content = old.read_bytes()
    store.replace("weights", weights_of("timm", "b", "c"), {"timm"})
    old.write_bytes(content)  # as if it had not been removed
    assert [row["tag"] for row in store.read("weights").to_pylist()] == ["b", "c"]
    store.replace("weights", weights_of("timm", "b", "c"), {"timm"})
    assert len(parts(store, "weights")) == 1


@pytest.mark.parametrize("goes_back", [False, True], ids=["the clock goes on", "the clock goes back"])
def test_a_merged_part_that_was_merged_again_doubles_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, goes_back: bool
) -> None:
    """Between the second merger's part and the removal of the first one's, which a reader may have met before."""
    first = store.append("costs", costs_of(cost("a")))
    assert first is not None
    merged = store.append("costs", costs_of(cost("a")), replaces=[first])
    assert merged is not None
    (kept,) = parts(store)
    content = kept.read_bytes()
    reader = Store(store.address)
    assert list(reader.load("costs", ()).parts) == [merged]  # what it says of itself is known from now on
    if goes_back:
        earlier = merged.replace(merged[5:13], "20000101", 1)
        monkeypatch.setattr("zoo.cache.table_store.new_name", lambda data, **_: earlier.replace(merged[-34:-18], checksum(data)))
    store.append("costs", costs_of(cost("a")), replaces=[merged])
    kept.write_bytes(content)  # as if it had not been removed yet
    assert len(parts(store)) == 2
    assert len(reader.read("costs")) == 1
    assert len(reader.load("costs", ()).parts) == 1


def test_refreshes_of_different_zoos_take_nothing_from_each_other(store: Store) -> None:
    """Each has read the table before the other wrote."""
    other = Store(store.address)
    for mine, zoo in ((store, "timm"), (other, "torchvision")):
        mine.replace("weights", weights_of(zoo, "a"), {zoo})
    assert {row["zoo"] for row in store.read("weights").to_pylist()} == {"timm", "torchvision"}


def test_what_is_noted_about_a_zoo_comes_back_and_a_new_note_is_written(store: Store) -> None:
    store.replace("weights", weights_of("timm", "a"), {"timm"}, {"timm": {"made of": "x"}})
    assert store.notes("weights")["timm"]["made of"] == "x"
    store.replace("weights", weights_of("timm", "a"), {"timm"}, {"timm": {"made of": "y"}})
    assert store.notes("weights")["timm"]["made of"] == "y"
    assert len(parts(store, "weights")) == 1


def test_one_model_is_found_without_reading_the_others(store: Store) -> None:
    rows = [cost(f"arch {i // 4:05}", macs=i, minutes=i, classes=i % 2) for i in range(40_000)]
    store.append("costs", costs_of(*rows))
    found = store.costs(zoo="timm", arch="arch 07777")
    assert sorted(found["macs"]) == [7777 * 4 + 2, 7777 * 4 + 3]  # the newest of each of two heads
    assert len(store.costs(zoo="another")) == 0
    assert len(store.costs(arch="arch 07777", zoo="timm", columns=["macs"]).columns) == len({*KEY, "macs", "counted_at"})


def test_costs_as_of_a_moment_are_those_counted_until_then(store: Store) -> None:
    store.append("costs", costs_of(cost(minutes=1, macs=1), cost(minutes=2, macs=2), cost("late", minutes=3)))
    assert list(store.costs(as_of=NOON + timedelta(minutes=1))["macs"]) == [1]
    assert sorted(store.costs(as_of=NOON + timedelta(minutes=3))["arch"]) == ["late", "small"]
    assert len(store.costs(as_of=NOON)) == 0


def test_details_are_those_of_the_costs_in_force(store: Store) -> None:
    key = {name: value for name, value in cost().items() if name in KEY}
    for minutes, macs in ((0, 5), (1, 7), (2, 9)):
        operation = {**key, "position": 0, "calls": 1, "macs": macs, "counted_at": NOON + timedelta(minutes=minutes)}
        store.append("ops", table_of("ops", [operation]))
    store.append("costs", costs_of(cost(minutes=0), cost(minutes=1)))  # that of the third was never committed
    assert list(store.details("ops")["macs"]) == [7]


def test_nothing_to_write_writes_no_part(store: Store) -> None:
    store.append("costs", costs_of())
    assert everything(store) == []


def test_an_address_without_folders_works() -> None:
    store = Store("memory://zoometer-test/cache")
    store.prepare()
    store.append("costs", costs_of(cost(macs=BIG)))
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    store.replace("weights", weights_of("timm", "b"), {"timm"})
    again = Store("memory://zoometer-test/cache")
    assert again.costs()["macs"].tolist() == [BIG]
    assert [row["tag"] for row in again.read("weights").to_pylist()] == ["b"]


def test_an_unknown_kind_of_address_is_an_error() -> None:
    with pytest.raises(CacheError, match=r"^Cache 'carrier-pigeon://cache' cannot be opened: Protocol not known"):
        Store("carrier-pigeon://cache")


@pytest.mark.parametrize("devices", [["a"], ["a", "b"], ["a", None], ["b"], [None], ["b", "a", "b"]])
@pytest.mark.parametrize("wanted", [["a"], ["b", "a"], ["c"], [None]])
def test_rows_with_wanted_values_are_found_whatever_the_statistics_say(
    store: Store, devices: list[str | None], wanted: list[str | None]
) -> None:
    rows = [
        {"arch": f"model{i}", "device": device, "status": "measured", "added_at": NOON, "zoo": "timm"}
        for i, device in enumerate(devices)
    ]
    store.append("speed", table_of("speed", rows))
    found = store.read("speed", ["arch"], where={"device": wanted, "zoo": ["timm"]})
    assert found["arch"].to_pylist() == [row["arch"] for row in rows if row["device"] in wanted]
    assert found.column_names == ["arch"]


def test_the_rows_of_a_mode_lie_together_and_none_is_lost(store: Store) -> None:
    """Modes alternate as they are committed; one of them is read without the row groups of the others."""
    key = {name: cost()[name] for name in (*KEY, "counted_at")}
    modes = [("fp32", "nchw"), (None, None), ("fp32", "nhwc"), ("fp16", "nchw"), ("fp32", "nchw"), ("fp16", "nchw"), (None, None)]
    rows = [
        {**key, "position": position, "calls": 1, "precision": precision, "layout": layout}
        for position, (precision, layout) in enumerate(modes)
    ]
    store.append("ops", table_of("ops", rows))
    (file,) = parts(store, "ops")
    parquet = pq.ParquetFile(file)
    groups = [
        parquet.read_row_group(group).select(["precision", "layout", "position"]) for group in range(parquet.num_row_groups)
    ]
    in_file = [[tuple(row.values()) for row in group.to_pylist()] for group in groups]
    expected = [[(*mode, position) for position, other in enumerate(modes) if other == mode] for mode in dict.fromkeys(modes)]
    assert in_file == expected
    assert store.read("ops", ["position"], {"precision": ["fp32"], "layout": ["nchw"]})["position"].to_pylist() == [0, 4]
