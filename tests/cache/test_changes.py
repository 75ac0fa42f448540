"""What changed between two runs: exact values, the likely cause, and no key forgotten or counted twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cache_history import NEW, History, failed
from cache_rows import BIG, NOON, cost
from rich.console import Console

from reports.leaderboard.change_report import build_change_report
from reports.terminal import changes_text
from zoo.cache.changes import COLUMNS, FIGURES, ChangeKind, Changes, changes_between
from zoo.cache.runs import RunRecord, find_run
from zoo.cache.schema.tables import TABLES
from zoo.errors import UnknownNameError


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "cache")


def found(changes: Changes, *columns: str) -> list[tuple[Any, ...]]:
    """The given columns of all rows, with unknown as None."""
    rows = changes.rows[list(columns)].astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def test_a_changed_figure_is_shown_exactly_with_what_changed_it(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a", macs=BIG, params=7), cost("b", macs=1)])
    history.run("two", ["a", "b"], [cost("a", macs=BIG + 2, params=7, **NEW), cost("b", macs=1, **NEW)])
    changes = changes_between(history.store)
    assert found(changes, "kind", "arch", "figure", "old", "new", "cause") == [
        ("changed", "a", "macs", BIG, BIG + 2, "timm 1.0 → 1.1")
    ]
    assert (changes.unchanged, changes.counts()["changed"], changes.failing) == (1, 1, 0)
    assert {name: str(dtype) for name, dtype in changes.rows.dtypes.items()} == dict(COLUMNS)


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_compared(history: History, figure: str) -> None:
    ones: dict[str, Any] = dict.fromkeys(FIGURES, 1)
    history.run("one", ["a"], [cost("a", **ones)])
    history.run("two", ["a"], [cost("a", **ones | {figure: 2})])
    assert found(changes_between(history.store), "figure", "old", "new") == [(figure, 1, 2)]


def test_the_figures_are_all_there_are() -> None:
    integers = {field.name for field in TABLES["costs"] if str(field.type) == "int64"}
    assert integers - {"classes", "batch", "flops"} == set(FIGURES)


@pytest.mark.parametrize(
    ("column", "cause"),
    [
        ("library_version", "timm x → y"),
        ("counter_version", "counter x → y"),
        ("torch_version", "torch x → y"),
        ("fingerprint", "source x → y"),
        ("seconds", "unknown: counted from the same versions"),
    ],
)
def test_the_cause_is_what_differs(history: History, column: str, cause: str) -> None:
    old, new = ("x", "y") if column != "seconds" else (1.0, 2.0)
    history.run("one", ["a"], [{**cost("a", macs=1), column: old}])
    history.run("two", ["a"], [{**cost("a", macs=2), column: new}])
    assert found(changes_between(history.store), "cause") == [(cause,)]


def test_models_come_go_fail_and_recover(history: History) -> None:
    history.run("one", ["stays", "goes", "breaks", "mends"], [cost("stays"), cost("goes"), cost("breaks"), failed("mends")])
    rows = [cost("new"), failed("broken from the start"), failed("breaks", "run: ValueError: odd"), cost("mends", **NEW)]
    plan = ["stays", "new", "broken from the start", "breaks", "mends"]
    history.run("two", plan, rows, versions="timm 1.1")
    changes = changes_between(history.store)
    assert found(changes, "kind", "arch", "old_status", "new_status", "cause") == [
        ("added", "new", None, "exact", None),
        ("removed", "goes", "exact", None, "timm 1.0 → timm 1.1"),
        ("failed", "breaks", "exact", "failed", "run: ValueError: odd"),
        ("failed", "broken from the start", None, "failed", "run: ValueError: no"),
        ("recovered", "mends", "failed", "exact", "timm 1.0 → 1.1"),
    ]
    assert (changes.unchanged, changes.failing) == (1, 2)


def test_a_model_that_went_is_not_removed_again_by_every_later_run(history: History) -> None:
    history.run("one", ["stays", "goes"], [cost("stays"), cost("goes")])
    history.run("two", ["stays"], [])
    history.run("three", ["stays"], [])
    assert [changes_between(history.store, None, name).count(ChangeKind.REMOVED) for name in ("one", "two", "three")] == [0, 1, 0]


def test_what_the_configuration_no_longer_asks_for_says_so(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a"), cost("b")], selection="x")
    history.run("two", ["a"], [], selection="y")
    assert found(changes_between(history.store), "kind", "arch", "cause") == [("removed", "b", "the configuration")]


def test_an_input_that_does_not_fit_is_no_failure(history: History) -> None:
    history.run("one", ["a"], [])
    history.run("two", ["a"], [failed("a", "input: does not run at 3x7x7")])
    changes = changes_between(history.store)
    assert (found(changes, "kind", "new_status"), changes.failing) == ([("added", "failed")], 0)


def test_a_cost_that_became_a_bound_has_changed(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1)])
    history.run("two", ["a"], [{**cost("a", macs=1), "status": "bound", "reason": "an operator"}])
    assert found(changes_between(history.store), "kind", "figure", "old_status", "new_status") == [
        ("changed", "status", "exact", "bound")
    ]


def test_a_figure_that_was_not_known_yet_has_not_changed(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1, params=None)])
    history.run("two", ["a"], [cost("a", macs=1, params=5)])
    assert changes_between(history.store).unchanged == 1


def test_a_run_is_compared_with_the_one_before_of_its_configuration(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1)])
    history.run("other", ["b"], [cost("b", macs=1)], config="other.yaml")
    history.run("two", ["a"], [cost("a", macs=2)])
    changes = changes_between(history.store)
    assert changes.before is not None
    assert (changes.before.run, changes.counts()["changed"], changes.counts()["removed"]) == ("one", 1, 0)


def test_of_the_first_run_of_a_configuration_only_what_the_cache_lacked_is_added(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1)])
    history.run("other", ["a", "b"], [cost("b", macs=1)], config="other.yaml")
    assert found(changes_between(history.store), "kind", "arch") == [("added", "b")]


def test_runs_of_two_configurations_are_compared_where_both_ask(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a", macs=1), cost("b", macs=1)])
    history.run("other", ["a"], [cost("a", macs=2)], config="other.yaml")
    changes = changes_between(history.store, "one", "other")
    assert found(changes, "kind", "arch", "cause") == [
        ("changed", "a", "unknown: counted from the same versions"),
        ("not compared", "b", "other.yaml does not ask for it"),
    ]


def test_a_narrowed_run_removes_nothing_and_is_nobody_s_measure(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a", macs=1), cost("b", macs=1)])
    history.run("narrow", ["a"], [cost("a", macs=2)], only="a*")
    assert found(changes_between(history.store), "kind", "arch", "cause") == [
        ("changed", "a", "unknown: counted from the same versions"),
        ("not compared", "b", "outside of --only a*"),
    ]
    history.run("two", ["a", "b"], [])
    changes = changes_between(history.store)
    assert changes.before is not None
    assert (changes.before.run, changes.count(ChangeKind.CHANGED), changes.unchanged) == ("one", 1, 1)


def test_what_an_interrupted_run_did_not_reach_is_not_compared(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a", macs=1)], status="interrupted")
    assert found(changes_between(history.store), "kind", "arch", "cause") == [
        ("added", "a", None),
        ("not compared", "b", "the run did not get to it"),
    ]


def test_a_killed_run_ends_with_its_last_row(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1)])
    history.run("killed", ["a"], [cost("a", macs=2)], status="running", finished_at=None)
    history.run("two", ["a"], [cost("a", macs=3)])
    assert found(changes_between(history.store, "one", "killed"), "old", "new") == [(1, 2)]
    assert found(changes_between(history.store), "old", "new") == [(2, 3)]


def test_runs_are_compared_in_the_order_they_began(history: History) -> None:
    history.run("one", ["a"], [cost("a", macs=1)])
    history.run("two", ["a"], [cost("a", macs=2)])
    assert found(changes_between(history.store, "two", "one"), "old", "new") == [(1, 2)]


def test_each_part_of_a_key_tells_rows_apart(history: History) -> None:
    others: list[dict[str, Any]] = [
        {"classes": None},
        {"classes": 0},
        {"variant": "deploy"},
        {"batch": 8},
        {"input": "3x8x8"},
        {"zoo": "mine"},
    ]
    rows = [{**cost("a", macs=i), **other} for i, other in enumerate([{}, *others])]
    history.run("one", [], rows, plan=None)
    history.run("two", [], [{**row, "macs": row["macs"] + 100} for row in rows], plan=None)
    assert sorted(found(changes_between(history.store), "old", "new")) == [(i, i + 100) for i in range(7)]


def test_runs_are_found_by_the_beginning_of_their_name() -> None:
    runs = [RunRecord(name, "done", NOON) for name in ("abc1", "abd2")]
    assert find_run(runs, "abd").run == "abd2"
    assert find_run(runs, "latest").run == "abd2"
    for name, words in (("ab", "Several runs begin with 'ab': abc1, abd2"), ("x", "There is no run 'x'"), ("", "no run ''")):
        with pytest.raises(UnknownNameError, match=words):
            find_run(runs, name)
    with pytest.raises(UnknownNameError, match="has no run yet"):
        find_run([], "latest")


@pytest.fixture
def changes(history: History) -> Changes:
    """One of each kind; names with what Markdown would take for its own."""
    plan = ["a|b", "goes", "breaks", "mends", "same"]
    history.run("one", plan, [cost("a|b", macs=1000), cost("goes"), cost("breaks"), failed("mends"), cost("same")])
    rows = [cost("a|b", macs=1500, **NEW), cost("new"), failed("breaks", "run: a|b *c*"), cost("mends")]
    history.run("two", ["a|b", "new", "breaks", "mends", "same", "never"], rows, status="interrupted")
    return changes_between(history.store)


def as_text(changes: Changes, most: int | None = None) -> str:
    stream = io.StringIO()
    changes_text.print_changes(Console(file=stream, width=160), build_change_report(changes), None, most)
    return stream.getvalue()


def test_text_tells_what_happened(changes: Changes) -> None:
    text = as_text(changes)
    assert "Changes from run one (2026-01-02 12:10) to run two (2026-01-02 12:20, interrupted) of c.yaml" in text
    assert "1 changed, 1 failed, 1 recovered, 1 removed, 1 added, 1 not compared, 1 unchanged" in text
    (line,) = [line for line in text.splitlines() if line.startswith("timm/a|b")]
    assert line.split() == ["timm/a|b", "3x224x224", "macs", "1,000", "1,500", "+50.00", "%", "timm", "1.0", "→", "1.1"]


def test_text_names_what_is_left_out(history: History) -> None:
    names = [f"a{i:02}" for i in range(10)]
    history.run("one", ["old"], [cost("old")])
    history.run("two", ["old", *names], [cost(name) for name in names])
    text = as_text(changes_between(history.store), most=4)
    assert "and 6 more rows; --all shows them" in text
    assert "a03" in text
    assert "a04" not in text


def test_what_a_first_run_added_is_only_counted(history: History) -> None:
    history.run("one", ["a", "b"], [cost("a"), failed("b")])
    text = as_text(changes_between(history.store))
    assert "1 failed, 1 added" in text
    assert "timm/b" in text
    assert "timm/a" not in text


def test_markdown_is_a_table_of_each_kind(changes: Changes) -> None:
    lines = changes_text.changes_markdown(build_change_report(changes), None, None).splitlines()
    assert r"| timm/a\|b | 3x224x224 | macs | 1,000 | 1,500 | +50.00 % | timm 1.0 → 1.1 |" in lines
    assert r"| timm/breaks | 3x224x224 | exact | failed | run: a\|b \*c\* |" in lines
    assert [line for line in lines if line.startswith("###")] == [
        "### Changed", "### Failed", "### Recovered", "### Removed", "### Added", "### Not compared"
    ]  # fmt: skip


def test_json_holds_everything_exactly(changes: Changes) -> None:
    record = json.loads(json.dumps(changes_text.changes_record(changes, None)))
    assert record["counts"] == changes.counts()
    assert (record["before"]["run"], record["after"]["run"]) == ("one", "two")
    assert len(record["rows"]) == len(changes.rows)
    (row,) = [row for row in record["rows"] if row["kind"] == "changed"]
    assert (row["arch"], row["old"], row["new"]) == ("a|b", 1000, 1500)


def test_nothing_to_compare_is_said(history: History) -> None:
    history.run("one", [], [])
    changes = changes_between(history.store)
    assert "nothing was compared" in as_text(changes)
    assert isinstance(changes.rows, pd.DataFrame)
