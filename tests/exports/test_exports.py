"""CSV, JSON, Markdown and Parquet read back: exact, with units in their names and their provenance beside them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pandas as pd
import pyarrow.parquet as pq
import pytest
from fakes_excel import as_table, distinct_report, hostile_report, make_report, with_budgets
from pandas.testing import assert_frame_equal
from report_schema import json_schema

from reports import exports
from reports.columns.column import Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.exports.csv_file import metadata_path
from reports.exports.safe_text import is_web_address
from reports.exports.tables import TABLES
from reports.leaderboard.report import Report
from zoo.errors import OutputError


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(80)


def plain(values: Any) -> list[Any]:
    return [None if pd.isna(value) else value for value in values]


def written(report: Report, path: Path) -> Path:
    exports.write(report, path)
    return path


def columns_of(path: Path) -> dict[str, list[Any]]:
    """Values by exported name, read as a stranger would."""
    match path.suffix:
        case ".csv":
            table = pd.read_csv(path)
        case ".parquet":
            table = pd.read_parquet(path)
        case _:
            table = pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["leaderboard"], dtype=object)
    return {name: plain(table[name]) for name in table.columns}


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
@pytest.mark.parametrize("make", [distinct_report, lambda: make_report(80), lambda: make_report(30, accuracy=False)])
def test_every_value_is_exact_and_under_its_own_name(tmp_path: Path, suffix: str, make: Any) -> None:
    report = make()
    found = columns_of(written(report, tmp_path / f"leaderboard.{suffix}"))
    assert list(found) == [column.export_name for column in LEADERBOARD]
    for column in LEADERBOARD:
        assert found[column.export_name] == plain(report.leaderboard[column.key]), column.key


def test_markdown_shows_each_figure_in_the_unit_of_its_own_heading() -> None:
    report = distinct_report()
    text = exports.render_markdown(report, keys=[column.key for column in LEADERBOARD])
    header, _, *lines = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    best = report.leaderboard[report.leaderboard["on_frontier"]].sort_values("imagenet_top1", ascending=False)
    assert header == [column.header for column in LEADERBOARD]
    assert len(lines) == len(best)
    for place, column in enumerate(LEADERBOARD):
        assert [line[place] for line in lines] == [expected_markdown(column, row) for row in best.to_dict("records")]


def expected_markdown(column: Column, row: dict[Any, Any]) -> str:
    value = row[column.key]
    if column.is_figure:
        return format(value / column.scale, f",.{column.digits}f")
    return f"[{value}]({row['source']})" if column.key == "model" else str(value)


def test_every_figure_names_its_unit() -> None:
    own_unit = {"batch", "classes", "params", "macs", "flops", "activations", "operations"}
    for column in LEADERBOARD:
        if column.is_figure:
            assert column.export_name in own_unit or column.export_name.endswith(("_macs", "_bytes", "_percent", "_pixels")), (
                column.key
            )


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "md"])
def test_every_export_states_its_provenance(tmp_path: Path, suffix: str, report: Report) -> None:
    path = written(report, tmp_path / f"leaderboard.{suffix}")

    if suffix == "parquet":
        text = pq.read_schema(path).metadata[b"zoometer"].decode()
    else:
        text = (metadata_path(path) if suffix == "csv" else path).read_text(encoding="utf-8")
    for stated in (
        report.title,
        report.command,
        report.convention,
        "2026-03-14",
        *report.versions.values(),
        report.sources[0].address,
    ):
        assert stated in text


def test_csv_opens_in_pandas_as_it_is_and_its_metadata_describes_it(tmp_path: Path, report: Report) -> None:
    path = written(report, tmp_path / "leaderboard.csv")
    metadata = json.loads((tmp_path / "leaderboard.csv-metadata.json").read_text(encoding="utf-8"))
    assert metadata["@context"][0] == "http://www.w3.org/ns/csvw"
    assert metadata["url"] == path.name
    assert [column["name"] for column in metadata["tableSchema"]["columns"]] == list(pd.read_csv(path).columns)
    assert metadata["notes"][0]["totals"]["rows"] == len(report.leaderboard)


@pytest.mark.parametrize("name", list(TABLES))
def test_the_other_tables_are_exported_too(tmp_path: Path, report: Report, name: str) -> None:
    exports.write_csv(report, tmp_path / "table.csv", table=name)
    exports.write_parquet(report, tmp_path / "table.parquet", table=name)
    wanted = getattr(report, name)
    for found in (pd.read_csv(tmp_path / "table.csv"), pd.read_parquet(tmp_path / "table.parquet")):
        assert len(found) == len(wanted)
        for column in TABLES[name]:
            assert plain(found[column.export_name]) == plain(wanted[column.key])


def test_parquet_keeps_types_and_says_what_columns_mean(tmp_path: Path, report: Report) -> None:
    path = written(report, tmp_path / "leaderboard.parquet")
    wanted = report.leaderboard.set_axis([column.export_name for column in LEADERBOARD], axis=1)
    assert_frame_equal(pd.read_parquet(path), wanted, check_dtype=False)
    assert str(pd.read_parquet(path)["macs"].dtype) == "Int64"
    macs = next(column for column in LEADERBOARD if column.key == "macs")
    assert pq.read_schema(path).field("macs").metadata[b"meaning"].decode() == macs.meaning


@pytest.mark.parametrize("make", [lambda: with_budgets(make_report(40)), hostile_report, lambda: make_report(10, accuracy=False)])
def test_json_keeps_to_the_published_schema(tmp_path: Path, make: Any) -> None:
    path = written(make(), tmp_path / "report.json")
    schema = json.loads(exports.SCHEMA_PATH.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


def test_the_published_schema_is_that_of_the_declared_columns() -> None:
    published = json.loads(exports.SCHEMA_PATH.read_text(encoding="utf-8"))
    assert published == json_schema(), "run tests/benchmarks/data_files/report_schema.py"


def test_json_has_every_table_and_knows_no_infinity(tmp_path: Path) -> None:
    report = make_report(3)
    report.leaderboard.loc[0, "imagenet_top1"] = float("inf")
    found = json.loads(written(report, tmp_path / "report.json").read_text(encoding="utf-8"))
    assert found["leaderboard"][0]["imagenet_top1_percent"] is None
    assert [row["reason"] for row in found["coverage"]] == report.coverage["reason"].tolist()
    assert [row["name"] for row in found["unmatched"]] == report.unmatched["name"].tolist()


def test_json_has_changes_budgets_and_audits(tmp_path: Path) -> None:
    report = with_budgets(make_report(40))
    found = json.loads(written(report, tmp_path / "report.json").read_text(encoding="utf-8"))
    (changes,) = found["changes"]
    assert report.changes is not None
    assert (changes["heading"], changes["counts"]) == (report.changes.heading, report.changes.counts)
    assert [row["arch"] for row in changes["rows"]] == report.changes.rows["arch"].tolist()
    ((audit,), (own,)) = (found["audits"], report.audits)
    assert (audit["title"], audit["verdicts"]) == (own.title, own.verdicts)
    assert [row["verdict"] for row in audit["rows"]] == own.rows["verdict"].tolist()
    assert [cause["rows"] for cause in audit["causes"]] == [rows for _, rows in own.causes]
    assert [budget["name"] for budget in found["budgets"]] == [answer.name for answer in report.budgets]
    for budget, answer in zip(found["budgets"], report.budgets, strict=True):
        models = answer.selection.table["model"]
        assert [row["model"] for row in budget["rows"]] == [models.iloc[row] for row in answer.selection.fitting]
        assert {row["model"] for row in budget["rows"] if row["on_frontier"]} == {
            models.iloc[i] for i in answer.selection.frontier
        }
        assert budget["pick"] == (budget["rows"][0]["model"] if budget["rows"] else None)
        assert (budget["limits"], budget["reasons"]) == (list(answer.limits), list(answer.reasons))
    assert any(budget["rows"] for budget in found["budgets"])


def test_an_empty_report_is_still_a_file(tmp_path: Path) -> None:
    report = make_report(leaderboard=as_table(LEADERBOARD, {}, 0))
    for suffix in exports.WRITERS:
        assert written(report, tmp_path / f"empty.{suffix}").stat().st_size > 0
    assert json.loads((tmp_path / "empty.json").read_text(encoding="utf-8"))["leaderboard"] == []


def test_csv_guards_text_a_spreadsheet_would_run(tmp_path: Path) -> None:
    path = written(hostile_report(), tmp_path / "leaderboard.csv")
    with path.open(newline="", encoding="utf-8") as file:
        cells = [(name, cell) for row in csv.DictReader(file) for name, cell in row.items()]
    figures = {column.export_name for column in LEADERBOARD if column.kind in (ColumnKind.INTEGER, ColumnKind.NUMBER)}
    assert not [cell for name, cell in cells if name not in figures and cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=1+1model" in {cell for _, cell in cells}


def test_markdown_is_a_table_whatever_its_text() -> None:
    report = make_report(3)
    report.leaderboard["model"] = pd.array(["a|b", "<script>alert(1)</script>", "[x](javascript:y)\n\n# z"], dtype="string")
    report.leaderboard["on_frontier"] = pd.array([True] * 3, dtype="boolean")
    report.leaderboard["source"] = pd.array(["javascript:alert(1)", None, "https://ok.example/a_(b)"], dtype="string")
    text = exports.render_markdown(report)
    assert r"a\|b" in text
    assert r"\<script\>" in text
    assert r"[\[x\](javascript:y) # z](https://ok.example/a_%28b%29)" in text
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + 3


def test_markdown_holds_the_frontier_and_no_more_than_asked_for(report: Report) -> None:
    frontier = report.leaderboard[report.leaderboard["on_frontier"]].sort_values("imagenet_top1", ascending=False)
    lines = [line for line in exports.render_markdown(report, top=4).splitlines() if line.startswith("| [")]
    assert [re.findall(r"\[([^]]*)\]", line)[0] for line in lines] == frontier["model"].head(4).tolist()


def test_markdown_without_accuracy_says_so() -> None:
    assert "accuracy is not available" in exports.render_markdown(make_report(10, accuracy=False))


@pytest.mark.parametrize(
    ("address", "is_one"),
    [("https://a.example/x", True), ("http://a", True), ("javascript:x", False), ("https://", False), ("http://a b", False), ("https://[", False), ("https://a/\n", False), ("https://a/" + "x" * 2000, False)],
)  # fmt: skip
def test_only_web_addresses_become_links(address: str, is_one: bool) -> None:
    assert is_web_address(address) is is_one


def test_an_unknown_suffix_names_the_choices(tmp_path: Path, report: Report) -> None:
    with pytest.raises(OutputError, match=r"'report.txt'.* Known: csv, json, md, parquet"):
        exports.write(report, tmp_path / "report.txt")


@pytest.mark.parametrize("suffix", list(exports.WRITERS))
def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path, report: Report, suffix: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written: .*choose another folder"):
        exports.write(report, tmp_path / "file" / f"x.{suffix}")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
