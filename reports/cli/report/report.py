"""`zoometer report`: render the reports from the cache, counting nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import read_config
from reports.cli.common.output import print_outcome

EXAMPLES = examples(
    "zoometer report configs/default.yaml",
    "zoometer report configs/default.yaml --format html",
    "zoometer report configs/default.yaml --format html,xlsx,csv,json,md",
    "zoometer report configs/default.yaml --summary json   for a program",
)


def report(
    config: options.ConfigOfRun,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="html, xlsx, csv, json, md, parquet; several with commas. Default: the configuration's.",
            metavar="FORMATS",
        ),
    ] = None,
    cache: options.Cache = None,
    out: options.Out = None,
    summary: options.Summary = "text",
) -> None:
    """Render a configuration's reports from what the cache holds; no model is built or counted."""
    from reports.api.rendering import render_again

    print_outcome(render_again(read_config(config, cache, out), config, form or []), summary, ExitCode.OK)
