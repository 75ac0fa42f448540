"""`zoometer validate-speed --published`: estimates on platforms held against the published measurements that come with zoometer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.cli.common.output import print_answer

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.validation.measured_models import TraceSource
    from zoo.validation.platforms.validation import PlatformResult

COMMAND = "zoometer validate-speed --published"
_HEADERS = (
    "platform and protocol",
    "times",
    "models",
    "devices",
    "median error",
    "90th pct.",
    "rank",
    "covered",
    "interval",
    "refused",
)


def validate_published(source: TraceSource, write_constants: Path | None, form: str) -> None:
    """Prints every protocol on every platform, and writes the fitted constants to a file if one is named."""
    from zoo.estimation.platforms.constants import dump_fitted
    from zoo.validation.platforms.validation import read_published, validate_platforms

    results, constants = [], []
    for found, fitted in validate_platforms(read_published(source, COMMAND)):
        results += found
        constants.append(fitted)
    if write_constants:
        write_constants.write_text(dump_fitted(constants), encoding="utf-8")
    print_answer(form, lambda console: _print_results(console, results), lambda: list(map(dataclasses.asdict, results)))


def _print_results(console: Console, results: Sequence[PlatformResult]) -> None:
    from reports.terminal.console import print_table

    rows, last = [], None
    for result in results:
        if (result.platform, result.dtype) != last:
            last = (result.platform, result.dtype)
            rows.append((", ".join(last), *[""] * (len(_HEADERS) - 1)))
        rows.append(_result_cells(result))
    print_table(console, _HEADERS, rows, right=_HEADERS[1:])


def _result_cells(result: PlatformResult) -> tuple[str, ...]:
    return (
        f"  {result.protocol}",
        f"{result.measurements:,}",
        f"{result.models}",
        f"{result.devices}",
        f"{result.median_error_percent:.1f} %",
        f"{result.p90_error_percent:.0f} %",
        "–" if result.rank_correlation is None else f"{result.rank_correlation:.3f}",
        "–" if result.covered_percent is None else f"{result.covered_percent:.0f} %",
        "–" if result.half_width is None else f"× {result.half_width:.2f}",
        f"{result.refused:,}" if result.refused else "",
    )
