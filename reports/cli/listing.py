"""`zoometer list`: what the installed zoos have, read from their registries without building a model."""

from __future__ import annotations

import csv
import fnmatch
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.help import examples
from zoo.errors import UnknownNameError, did_you_mean
from zoo.records import Task

if TYPE_CHECKING:
    from zoo.records import Architecture, Weights

EXAMPLES = examples(
    "zoometer list                               every architecture",
    "zoometer list 'resnet*' --zoo timm          those that match",
    "zoometer list mobilenetv3_large_100 --weights",
    "zoometer list --task classification --pretrained --format csv > models.csv",
)

# In the order of their importance: a narrow terminal shows the first of them.
_COLUMNS = ("zoo", "arch", "input", "weights", "task", "classes", "family")
_WEIGHTS_COLUMNS = ("zoo", "arch", "tag", "input", "dataset", "task", "classes", "license")


class ListFormat(StrEnum):
    """How the list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def list_models(
    patterns: Annotated[
        list[str] | None, typer.Argument(metavar="GLOB", help="Shell globs on `arch` or `zoo/arch`.", show_default=False)
    ] = None,
    zoo: Annotated[list[str] | None, typer.Option(help="Only this zoo. Repeatable. Default: all that are installed.")] = None,
    task: Annotated[
        Task | None, typer.Option(metavar="TASK", help=f"Only models for this task: {', '.join(Task)}.", show_default=False)
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Only architectures with trained weights.")] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="One line for each set of weights, instead of each architecture.")
    ] = False,
    form: Annotated[
        ListFormat, typer.Option("--format", help="table, json (architectures with their weights) or csv.")
    ] = ListFormat.TABLE,
) -> None:
    """List architectures and weights that can be selected. Nothing is built or downloaded."""
    everything = _architectures(zoo or [])
    found = [arch for arch in everything if _is_meant(arch, patterns or [], task, pretrained=pretrained)]
    if not found:
        raise UnknownNameError(_nothing_found(patterns or [], everything))
    if form is ListFormat.JSON:
        typer.echo(json.dumps([asdict(arch) for arch in found], indent=2))
        return
    columns = _WEIGHTS_COLUMNS if weights else _COLUMNS
    rows = [_cells(line, columns) for arch in found for line in (arch.weights if weights else [arch])]
    _print_csv(columns, rows) if form is ListFormat.CSV else _print_table(columns, rows, found)


def _architectures(zoos: Sequence[str]) -> list[Architecture]:
    from zoo.adapters.registry import open_zoo, zoo_names

    return [arch for name in zoos or zoo_names() for arch in open_zoo(name).architectures()]


def _is_meant(arch: Architecture, patterns: Sequence[str], task: Task | None, *, pretrained: bool) -> bool:
    if (task and arch.task != task) or (pretrained and not arch.weights):
        return False
    names = (arch.name, f"{arch.zoo}/{arch.name}")
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _nothing_found(patterns: Sequence[str], everything: Sequence[Architecture]) -> str:
    if not patterns:
        return "No architecture has all of this. Leave out an option, or see them all with: zoometer list"
    quoted = " or ".join(f"'{pattern}'" for pattern in patterns)
    if any(_is_meant(arch, patterns, None, pretrained=False) for arch in everything):
        return f"No architecture matches {quoted} with these options. Leave one out."
    near = did_you_mean(patterns[0], (arch.name for arch in everything))
    return f"No architecture matches {quoted}.{near or ' See them all with: zoometer list'}"


def _cells(line: Architecture | Weights, columns: Sequence[str]) -> list[str]:
    """One line's values as text; nothing is written where nothing is known."""
    record: dict[str, Any] = asdict(line)
    record["arch"] = record.get("arch", record.get("name"))
    if "weights" in record:
        record["weights"] = len(record["weights"])
    return ["" if record[column] is None else str(record[column]) for column in columns]


def _print_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], found: Sequence[Architecture]) -> None:
    from reports import text

    # The model's full name comes first: it is what the reader looks for and copies.
    joined = ["/".join(row[:2]) + (f".{row[2]}" if columns is _WEIGHTS_COLUMNS else "") for row in rows]
    rest = 3 if columns is _WEIGHTS_COLUMNS else 2
    table = [[name, *row[rest:]] for name, row in zip(joined, rows, strict=True)]
    text.print_table(text.make_console(), ("model", *columns[rest:]), table, right=("input", "classes", "weights"))
    count = sum(len(arch.weights) for arch in found)
    sys.stderr.write(f"{len(found):,} architecture{'s' * (len(found) != 1)}, {count:,} set{'s' * (count != 1)} of weights\n")
