"""`zoometer init`: write the starter configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.help import examples
from reports.cli.common.output import note
from reports.cli.common.shipped_files import shipped_text
from reports.cli.report.schema import write_schema
from zoo.errors import ConfigError

EXAMPLES = examples(
    "zoometer init                     writes zoometer.yaml",
    "zoometer init configs/mine.yaml   writes there, making the folder",
    "zoometer init --force             writes over a file that exists",
)


def init(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write.")] = Path("zoometer.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a commented starter configuration: all of torchvision and all of timm. Its schema for editors is written beside it."""
    from reports.exports.files import replacing

    text = shipped_text("default.yaml")
    if path.is_dir():
        raise ConfigError(f"'{path}' is a folder. Name the file to write: zoometer init {path / 'zoometer.yaml'}")
    if path.exists() and not force:
        raise ConfigError(f"'{path}' exists already. Choose another name, or write over it with --force.")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    note(f"Wrote {write_schema(path.parent)}, with which editors complete its keys.")
    typer.echo(f"Wrote {path}. Edit it if you like, then: zoometer run {path}")
