"""`zoometer run`: count what is not in the cache yet, then render the reports."""

from __future__ import annotations

from typing import Any

import typer

from reports.cli.common import options
from reports.cli.common.counting_run import count, exit_code, with_counting
from reports.cli.common.help import examples
from reports.cli.common.opening import read_config
from reports.cli.common.output import print_outcome

EXAMPLES = examples(
    "zoometer run configs/default.yaml",
    "zoometer run configs/default.yaml --workers 8",
    "zoometer run configs/default.yaml --traces amp-fast-norm/nhwc",
    "zoometer run configs/default.yaml --training",
    "zoometer run configs/default.yaml --backend dask",
    "zoometer run mine.yaml --format json --quiet > summary.json",
    closing="Exit code 3: the reports are written, but some models could not be counted;\n the section Coverage of the report says which and why.",
)


@options.sharing(options.COUNTING)
def run(
    config: options.Config,
    cache: options.Cache = None,
    out: options.Out = None,
    form: options.Form = "text",
    **shared: Any,
) -> None:
    """Count the models a configuration selects, keep the counts, and render its reports.

    What the cache already holds is not counted again. Progress goes to stderr, the summary to stdout.
    """
    chosen = with_counting(read_config(config, cache, out), shared)
    from reports.api.rendering import count_and_render  # brings pandas: not before the configuration is read

    outcome = count_and_render(chosen, config, lambda request: count(chosen, request))
    code = exit_code(outcome)
    print_outcome(outcome, form, code)
    raise typer.Exit(code)
