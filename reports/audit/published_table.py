"""Reads published cost tables: timm's by their headings, other CSV files by a mapping of columns, a zoo's own from its metadata."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.audit.model_counts import QUANTITIES
from reports.audit.printed_number import PrintedNumber
from zoo.adapters.base import Zoo
from zoo.documents.csv_table import CsvRow, read_table
from zoo.documents.files import DocumentKind
from zoo.errors import AuditError, InputError, did_you_mean
from zoo.inputs import resize_input
from zoo.records import Architecture, CostKey, PublishedCost

_KIND = DocumentKind("table of costs", AuditError, 32_000_000)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_USUAL_UNITS = {"params": "M", "macs": "G", "flops": "G", "activations": "M"}
_FIELDS = ("model", "input", *QUANTITIES, "flops")
_TIMM_HEADINGS = {
    "model": ("model",),
    "input": ("infer_img_size", "img_size"),
    "params": ("param_count",),
    "macs": ("infer_gmacs", "gmacs"),
    "activations": ("infer_macts", "macts"),
}
"""Headings of timm's benchmark and result tables (`benchmark.py`, `validate.py`)."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The column of a table that holds a field of the audit, and its unit."""

    field: str  # model, input, params, macs, flops or activations
    heading: str
    scale: int = 1

    @classmethod
    def parse(cls, text: str) -> ColumnMapping:
        """Reads `macs=GFLOPs:G`: the field, the table's heading and the unit of its numbers.

        Raises:
            AuditError: if it is no such mapping.
        """
        field, equals, rest = text.partition("=")
        heading, colon, unit = rest.rpartition(":")
        if not colon or unit not in _UNITS:
            heading, unit = rest, _USUAL_UNITS.get(field, "")
        if not equals or not heading or field not in _FIELDS:
            raise AuditError(
                f"'{text}' maps no column. Write field=heading or field=heading:unit, such as macs=GFLOPs:G; "
                f"fields are {', '.join(_FIELDS)}, units K, M, G and T.{did_you_mean(field, _FIELDS)}"
            )
        return cls(field, heading, _UNITS[unit])


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of a published table. `match_rows` adds the key of its model."""

    line: int
    name: str
    size: str  # empty where the table has none
    numbers: Mapping[str, PrintedNumber]  # by quantity; MACs in MACs, whatever the table's unit
    key: CostKey | None = None  # None: not matched, or the zoo has no such model
    problem: str = ""  # why no model matches


def read_csv(path: str | Path, columns: Iterable[ColumnMapping] = ()) -> list[PublishedRow]:
    """The rows of a CSV table.

    Args:
        path: the file.
        columns: mappings of columns whose headings are not those of timm's tables.

    Raises:
        AuditError: if the file cannot be read, lacks a column, or holds something that is not a number.
    """
    table = read_table(path, _KIND)
    mapped = _map_columns(path, table.headings, {column.field: column for column in columns})
    decimals = {field: _count_decimals(table.rows, column.heading) for field, column in mapped.items()}
    return [_read_row(path, row, mapped, decimals) for row in table.rows]


def _map_columns(path: str | Path, headings: Sequence[str], given: dict[str, ColumnMapping]) -> dict[str, ColumnMapping]:
    for column in given.values():
        if column.heading not in headings:
            raise AuditError(f"'{path}' has no column '{column.heading}'.{did_you_mean(column.heading, headings)}")
    recognised = {
        field: ColumnMapping(field, heading, _UNITS[_USUAL_UNITS.get(field, "")])
        for field, known_headings in _TIMM_HEADINGS.items()
        for heading in known_headings
        if heading in headings
    }
    mapped = recognised | given
    if "flops" in given and "macs" not in given:
        mapped.pop("macs", None)
    if "model" not in mapped or mapped.keys().isdisjoint((*QUANTITIES, "flops")):
        raise AuditError(
            f"'{path}' has no columns that are known: {', '.join(headings)}. "
            "Map them: --column model=Name --column macs=GFLOPs:G --column params=Params:M --column input=Resolution."
        )
    return mapped


def _count_decimals(rows: Sequence[CsvRow], heading: str) -> int:
    """Digits after the point of a column, which loses trailing zeros in some rows."""
    return max((len(row.cells.get(heading, "").partition(".")[2]) for row in rows), default=0)


def _read_row(path: str | Path, row: CsvRow, columns: Mapping[str, ColumnMapping], decimals: Mapping[str, int]) -> PublishedRow:
    texts = {field: row.cells.get(column.heading, "") for field, column in columns.items()}
    numbers = {}
    for field in (*QUANTITIES, "flops"):
        text = texts.get(field, "")
        if text:
            try:
                number = PrintedNumber.parse(text, scale=columns[field].scale, decimals=decimals[field])
            except ValueError:
                raise AuditError(
                    f"'{path}', line {row.line}: '{text}' in column {columns[field].heading} is no number."
                ) from None
            numbers["macs" if field == "flops" else field] = number.divided_by(2) if field == "flops" else number
    return PublishedRow(row.line, texts["model"], texts.get("input", ""), numbers)


def read_published(zoo: Zoo, path: str | Path | None, columns: Iterable[ColumnMapping] = ()) -> tuple[str, list[PublishedRow]]:
    """Title and rows of a table about a zoo's models: a CSV file, or the costs that the zoo publishes with its weights.

    Args:
        zoo: whose models the table is about.
        path: of the CSV file. None: the zoo's own costs.
        columns: of the file, as for `read_csv`.

    Raises:
        AuditError: if the file cannot be read, or the zoo publishes no costs.
    """
    if path is not None:
        return Path(path).name, read_csv(path, columns)
    rows = rows_of_metadata(zoo.published_costs())
    if not rows:
        raise AuditError(f"{zoo.name} publishes no costs with its weights. Give a CSV table to audit against.")
    return f"{zoo.name} {zoo.version()}, metadata of the weights", rows


def rows_of_metadata(published: Iterable[PublishedCost]) -> list[PublishedRow]:
    """Costs that a zoo publishes as rows of a table."""
    return [
        PublishedRow(number, f"{cost.arch}.{cost.tag}" if cost.tag else cost.arch, cost.input, _metadata_numbers(cost))
        for number, cost in enumerate(published, start=1)
    ]


def _metadata_numbers(cost: PublishedCost) -> dict[str, PrintedNumber]:
    numbers = {}
    if cost.params is not None:
        numbers["params"] = PrintedNumber.parse(str(cost.params // cost.params_step), scale=cost.params_step)
    if cost.gmacs is not None:
        numbers["macs"] = PrintedNumber.parse(str(cost.gmacs), scale=_UNITS["G"], decimals=cost.decimals)
    if cost.gflops is not None:
        numbers["macs"] = PrintedNumber.parse(str(cost.gflops), scale=_UNITS["G"], decimals=cost.decimals).divided_by(2)
    return numbers


def match_rows(
    rows: Iterable[PublishedRow], zoo: str, architectures: Iterable[Architecture], aliases: Mapping[str, str]
) -> list[PublishedRow]:
    """Finds the model and the input of each row; `aliases` has current names by former ones."""
    by_name = {architecture.name: architecture for architecture in architectures}
    return [_match_row(row, zoo, by_name, aliases) for row in rows]


def group_equal(rows: Iterable[PublishedRow]) -> list[list[PublishedRow]]:
    """The rows that state the same figures of the same model, together: a table may repeat its rows."""
    groups: dict[Hashable, list[PublishedRow]] = {}
    for row in rows:
        groups.setdefault((row.key, row.problem, tuple(row.numbers.items())), []).append(row)
    return list(groups.values())


def _match_row(row: PublishedRow, zoo: str, by_name: Mapping[str, Architecture], aliases: Mapping[str, str]) -> PublishedRow:
    plain = row.name.removeprefix(f"{zoo}/")
    name = plain if plain in by_name else aliases.get(plain, plain)
    arch, _, tag = (name, "", "") if name in by_name else name.partition(".")
    if arch not in by_name:
        return replace(row, problem=f"{zoo} has no architecture '{arch}'")
    architecture = by_name[arch]
    model = next((w for w in architecture.weights if w.tag == tag), architecture)
    try:
        input = resize_input(row.size, model.input) if row.size else model.input
    except InputError as error:
        return replace(row, problem=str(error))
    return replace(row, key=CostKey(zoo, arch, input, model.classes))
