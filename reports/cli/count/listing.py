"""`zoometer list`: what the installed zoos have, read from their registries without building a model."""

from __future__ import annotations

import csv
import fnmatch
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace
from reports.cli.common.output import note, print_json
from zoo.errors import MissingLibraryError, UnknownNameError, ZooError, did_you_mean
from zoo.records import Task

if TYPE_CHECKING:
    from zoo.records import Architecture, DeclaredModel, Weights

EXAMPLES = examples(
    "zoometer list                               every architecture",
    "zoometer list 'resnet*' --zoo timm          those that match",
    "zoometer list mobilenetv3_large_100 --weights",
    "zoometer list --task detection --has-weights --format csv > models.csv",
    "zoometer list 'vit_*' --weights --license 'apache-*'",
)

# In the order of their importance: a narrow terminal shows the first of them.
_COLUMNS = ("zoo", "arch", "input", "weights", "task", "classes", "family")
_WEIGHTS_COLUMNS = ("zoo", "arch", "tag", "input", "dataset", "task", "classes", "license")


@options.sharing(options.BUDGET, only=("license",))
def list_models(
    patterns: Annotated[list[str] | None, typer.Argument(metavar="GLOB", help="Shell globs on `arch` or `zoo/arch`.")] = None,
    zoo: Annotated[list[str] | None, typer.Option(help="Only this zoo. Repeatable. Default: all that are installed.")] = None,
    task: Annotated[Task | None, typer.Option(metavar="TASK", help=f"Only models for this task: {', '.join(Task)}.")] = None,
    has_weights: Annotated[
        bool, typer.Option("--has-weights", "--pretrained", help="Only architectures with trained weights.")
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="One line for each set of weights, instead of each architecture.")
    ] = False,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.TableForm = "table",
    **shared: Any,
) -> None:
    """List architectures and weights that can be selected. Nothing is built or downloaded."""
    workspace = open_workspace(cache, config)
    everything = [
        _with_matching_weights(arch, shared["license"] or [])
        for arch in _list_architectures(zoo or [], workspace.cache, workspace.declared_models)
    ]
    with_weights = has_weights or bool(shared["license"])
    found = [arch for arch in everything if _matches(arch, patterns, task, with_weights=with_weights)]
    if not found:
        raise UnknownNameError(_explain_no_match(patterns or [], everything))
    if form == "json":
        print_json([asdict(arch) for arch in found])
        return
    columns = _WEIGHTS_COLUMNS if weights else _COLUMNS
    rows = [_list_cells(item, columns) for arch in found for item in (arch.weights if weights else [arch])]
    _print_list_as_csv(columns, rows) if form == "csv" else _print_list(columns, rows, found)


def _list_architectures(zoos: Sequence[str], cache: str, declared: Mapping[str, Sequence[DeclaredModel]]) -> list[Architecture]:
    """The architectures of the named zoos, or of all. Of all, those that cannot be opened are left out with a message."""
    from zoo.adapters.registry import open_zoo, zoo_names

    found: list[Architecture] = []
    extras: list[str] = []
    for name in zoos or [*zoo_names(), *declared]:
        try:
            found += open_zoo(name, declared[name]).architectures() if name in declared else _list_installed_zoo(name, cache)
        except ZooError as error:
            if zoos:
                raise
            if isinstance(error, MissingLibraryError) and error.extra:
                extras.append(error.extra)
            else:
                note(f"Left out: {error}")
    if extras:
        note(f"Left out, as not installed: {', '.join(extras)}. To add them: pip install 'zoometer[{','.join(extras)}]'")
    return found


def _list_installed_zoo(name: str, cache: str) -> Sequence[Architecture]:
    """The architectures from the cache if its list is up to date: opening a zoo may import torch."""
    from zoo.adapters.registry import open_zoo
    from zoo.cache.store import Store

    store = Store(cache)
    if store.files.has_folder("architectures"):
        from zoo.refresh.catalogue import cached_architectures

        if (cached := cached_architectures(name, store)) is not None:
            return cached
    return open_zoo(name).architectures()


def _with_matching_weights(arch: Architecture, patterns: Sequence[str]) -> Architecture:
    """The architecture with those of its weights whose licence matches."""
    if not patterns:
        return arch
    kept = [w for w in arch.weights if w.license and any(fnmatch.fnmatch(w.license.lower(), glob.lower()) for glob in patterns)]
    return replace(arch, weights=tuple(kept))


def _matches(arch: Architecture, patterns: Sequence[str] | None, task: Task | None = None, *, with_weights: bool = False) -> bool:
    """Whether an architecture has a name, a task and weights as the options say."""
    if (task and arch.task != task) or (with_weights and not arch.weights):
        return False
    names = (arch.name, f"{arch.zoo}/{arch.name}")
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _explain_no_match(patterns: Sequence[str], everything: Sequence[Architecture]) -> str:
    if not patterns:
        return "No architecture has all of this. Leave out an option, or see them all with: zoometer list"
    quoted = " or ".join(f"'{pattern}'" for pattern in patterns)
    if any(_matches(arch, patterns) for arch in everything):
        return f"No architecture matches {quoted} with these options. Leave one out."
    near = did_you_mean(patterns[0], (arch.name for arch in everything))
    return f"No architecture matches {quoted}.{near or ' See them all with: zoometer list'}"


def _list_cells(item: Architecture | Weights, columns: Sequence[str]) -> list[str]:
    """The values of an architecture or a set of weights as text, empty where unknown."""
    record: dict[str, Any] = asdict(item)
    record["arch"] = record.get("arch", record.get("name"))
    if "weights" in record:
        record["weights"] = len(record["weights"])
    return ["" if record[column] is None else str(record[column]) for column in columns]


def _print_list_as_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from reports.exports.safe_text import guarded

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(guarded, row) for row in rows)


def _print_list(columns: Sequence[str], rows: Sequence[Sequence[str]], found: Sequence[Architecture]) -> None:
    from reports.terminal.console import make_console, print_table

    # The model's full name comes first: it is what the reader looks for and copies.
    joined = ["/".join(row[:2]) + (f".{row[2]}" if columns is _WEIGHTS_COLUMNS else "") for row in rows]
    rest = 3 if columns is _WEIGHTS_COLUMNS else 2
    table = [[name, *row[rest:]] for name, row in zip(joined, rows, strict=True)]
    print_table(make_console(), ("model", *columns[rest:]), table, right=("input", "classes", "weights"))
    count = sum(len(arch.weights) for arch in found)
    note(f"{len(found):,} architecture{'s' * (len(found) != 1)}, {count:,} set{'s' * (count != 1)} of weights")
