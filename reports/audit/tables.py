"""Reading published cost tables: timm's own by their columns, any other by a mapping, torchvision's from its metadata."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from reports.audit.figures import QUANTITIES, Figure
from reports.audit.verdicts import Published
from zoo.errors import AuditError, InputError, did_you_mean
from zoo.records import Architecture, CostKey, PublishedCost, image_input

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FIELDS = ("model", "input", *QUANTITIES, "flops")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field of an audit stands in a table, and in which unit."""

    field: str  # model, input, params, macs, flops or activations
    name: str
    scale: int = 1

    @classmethod
    def parse(cls, text: str) -> Column:
        """Reads `macs=GFLOPs:G`: the field, the table's heading, and what its figures are in units of.

        Raises:
            AuditError: if it is no such mapping.
        """
        field, equals, rest = text.partition("=")
        name, colon, unit = rest.rpartition(":")
        if not colon or unit not in _UNITS:
            name, unit = rest, _USUAL_UNITS.get(field, "")
        if not equals or not name or field not in _FIELDS:
            raise AuditError(
                f"'{text}' maps no column. Write field=heading or field=heading:unit, such as macs=GFLOPs:G; "
                f"fields are {', '.join(_FIELDS)}, units K, M, G and T.{did_you_mean(field, _FIELDS)}"
            )
        return cls(field, name, _UNITS[unit])


_USUAL_UNITS = {"params": "M", "macs": "G", "flops": "G", "activations": "M"}
_RECOGNISED = {
    "model": ("model",),
    "input": ("infer_img_size", "img_size"),
    "params": ("param_count",),
    "macs": ("infer_gmacs", "gmacs"),
    "activations": ("infer_macts", "macts"),
}
"""Headings of timm's benchmark and result tables (`benchmark.py`, `validate.py`)."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands in the table."""

    line: int
    name: str
    size: str  # empty where the table has none
    figures: Mapping[str, Figure]


def read_csv(path: str | Path, columns: Iterable[Column] = ()) -> list[Row]:
    """The rows of a CSV table.

    Args:
        path: the file.
        columns: where its fields stand, besides headings that timm's tables have.

    Raises:
        AuditError: if the file cannot be read, lacks a column, or holds what is no number.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"The table '{path}' cannot be read: {error}. Name a CSV file.") from error
    reader = csv.DictReader(io.StringIO(text))
    records = list(reader)
    found = _find_columns(path, list(reader.fieldnames or ()), {column.field: column for column in columns})
    decimals = {field: _decimals(records, column.name) for field, column in found.items()}
    return [_row(path, line, record, found, decimals) for line, record in enumerate(records, start=2)]


def _find_columns(path: str | Path, headings: Sequence[str], given: Mapping[str, Column]) -> dict[str, Column]:
    for column in given.values():
        if column.name not in headings:
            raise AuditError(f"'{path}' has no column '{column.name}'.{did_you_mean(column.name, headings)}")
    known = {
        field: Column(field, name, _UNITS[_USUAL_UNITS.get(field, "")])
        for field, names in _RECOGNISED.items()
        for name in names
        if name in headings
    }
    found = {**known, **given}
    if "flops" in given and "macs" not in given:
        found.pop("macs", None)
    if "model" not in found or not any(field in found for field in ("params", "macs", "flops", "activations")):
        raise AuditError(
            f"'{path}' has no columns that are known: {', '.join(headings) or 'it is empty'}. "
            "Say what they are: --column model=Name --column macs=GFLOPs:G --column params=Params:M --column input=Resolution."
        )
    return found


def _decimals(records: Sequence[Mapping[str, str]], name: str) -> int:
    """Digits after the point of a column, which drops trailing zeros in some rows."""
    return max((len((record.get(name) or "").strip().partition(".")[2]) for record in records), default=0)


def _row(
    path: str | Path, line: int, record: Mapping[str, str], columns: Mapping[str, Column], decimals: Mapping[str, int]
) -> Row:
    figures = {}
    for field in (*QUANTITIES, "flops"):
        text = (record.get(columns[field].name) or "").strip() if field in columns else ""
        if text and text != "nan":
            try:
                figure = Figure.printed(text, scale=columns[field].scale, decimals=decimals[field])
            except ValueError:
                raise AuditError(f"'{path}', line {line}: '{text}' in column {columns[field].name} is no number.") from None
            figures["macs" if field == "flops" else field] = figure.over(Fraction(2)) if field == "flops" else figure
    size = (record.get(columns["input"].name) or "").strip() if "input" in columns else ""
    return Row(line, (record.get(columns["model"].name) or "").strip(), size, figures)


def rows_of(published: Iterable[PublishedCost]) -> list[Row]:
    """The same from what a zoo states of its own weights."""
    return [
        Row(number, f"{cost.arch}.{cost.tag}" if cost.tag else cost.arch, cost.input, _stated(cost))
        for number, cost in enumerate(published, start=1)
    ]


def _stated(cost: PublishedCost) -> dict[str, Figure]:
    figures = {}
    if cost.params is not None:
        figures["params"] = Figure.printed(str(cost.params))
    if cost.gmacs is not None:
        figures["macs"] = Figure.printed(str(cost.gmacs), scale=_UNITS["G"], decimals=cost.gmacs_decimals)
    return figures


def join(rows: Iterable[Row], zoo: str, architectures: Iterable[Architecture], aliases: Mapping[str, str]) -> list[Published]:
    """Finds the model and the input each row is about.

    Args:
        rows: of the table.
        zoo: whose models they are.
        architectures: all of the zoo, with their weights.
        aliases: older names, and what they are called now.
    """
    known = {architecture.name: architecture for architecture in architectures}
    return [_join_row(row, zoo, known, aliases) for row in rows]


def _join_row(row: Row, zoo: str, known: Mapping[str, Architecture], aliases: Mapping[str, str]) -> Published:
    plain = row.name.removeprefix(f"{zoo}/")
    name = plain if plain in known else aliases.get(plain, plain)
    arch, _, tag = (name, "", "") if name in known else name.partition(".")
    if arch not in known:
        return Published(row.line, row.name, None, row.figures, f"{zoo} has no architecture '{arch}'")
    architecture = known[arch]
    weights = next((w for w in architecture.weights if w.tag == tag), None)
    native = weights.input if weights else architecture.input
    try:
        input = image_input(row.size, native) if row.size else native
    except InputError as error:
        return Published(row.line, row.name, None, row.figures, str(error))
    classes = weights.classes if weights else architecture.classes
    return Published(row.line, row.name, CostKey(zoo, arch, input, classes), row.figures)
