"""`zoometer schema`: the JSON schemas of the configuration, for editors, and of what verbs print, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.help import examples
from reports.cli.common.output import print_json

EXAMPLES = examples(
    "zoometer schema                      prints it",
    "zoometer schema --output configs     writes configs/zoometer.schema.json",
    "zoometer schema select               of: zoometer select --format json",
    "zoometer schema cache info",
    closing="""Editors with a YAML language server read the first line of a configuration:

   # yaml-language-server: $schema=zoometer.schema.json

 The path is relative to the configuration. `zoometer init` writes both.""",
)


def schema(
    verb: Annotated[list[str] | None, typer.Argument(metavar="VERB", help="Of what this verb prints as JSON.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write it there instead.")] = None,
) -> None:
    """Print the JSON schema of the configuration, or of a verb's answer: keys with meaning, default and what can be written."""
    from reports.cli.common.answers import answer_schema
    from reports.config.schema import config_schema

    if verb and output:
        raise typer.BadParameter("give a verb or --output, not both.")
    if verb:
        print_json(answer_schema(" ".join(verb)))
    elif output is None:
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
    from reports.exports.files import replacing

    path = folder / FILE_NAME
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(config_schema(), indent=1) + "\n", encoding="utf-8")
    return path
