"""`zoometer schema`: the JSON schema of the configuration, with which editors complete and check its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.help import examples
from reports.cli.common.output import print_json

EXAMPLES = examples(
    "zoometer schema                      prints it",
    "zoometer schema --output configs     writes configs/zoometer.schema.json",
    closing="""Editors with a YAML language server read the first line of a configuration:

   # yaml-language-server: $schema=zoometer.schema.json

 The path is relative to the configuration. `zoometer init` writes both.""",
)


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write it there instead.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON schema of the configuration: its keys with meaning, default and what can be written."""
    from reports.config.schema import config_schema

    if output is None:
        print_json(config_schema())
    else:
        typer.echo(f"Wrote {write_schema(output)}")


def write_schema(folder: Path) -> Path:
    """Write the schema into a folder, under the name that configurations give it.

    Raises:
        OutputError: if it cannot be written.
    """
    import json

    from reports.config.schema import FILE_NAME, config_schema
    from zoo.errors import OutputError

    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config_schema(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror}. Choose another place.") from error
    return path
