"""`zoometer validate-speed`: hold estimates of speed against measurements, by models and devices that the fit did not see."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace
from reports.cli.common.output import note, print_answer

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.records import Unmatched
    from zoo.validation.measured_models import TraceSource
    from zoo.validation.measured_sets import MeasuredSet
    from zoo.validation.platforms.validation import PlatformResult
    from zoo.validation.protocols import ProtocolResult

EXAMPLES = examples(
    "zoometer validate-speed speed-infer-*.csv",
    "zoometer validate-speed speed-infer-*.csv --families --worst 10",
    "zoometer validate-speed mine.csv --devices devices.yaml --format json",
    "zoometer validate-speed speed-infer-*.csv --write-constants constants.yaml",
    "zoometer validate-speed --published",
    closing=(
        "Nothing is tested on a row that its fit or its calibration saw. The first run\n"
        " traces each model of the files into the cache; later ones read them there."
    ),
)

_MOST_LEFT_OUT = 5
_HEADERS = ("file and protocol", "models", "rank corr.", "median error", "90th pct.", "within 25 %", "covered")
_PLATFORM_HEADERS = (
    "platform and protocol", "times", "models", "devices", "median error", "90th pct.", "rank", "covered", "interval", "refused",
)  # fmt: skip


@options.sharing(options.COUNTING, only=("workers",))
def validate_speed(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="timm's speed tables, or your own.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Test phones, accelerators and boards on the published speeds that come along.")
    ] = False,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    families: Annotated[bool, typer.Option("--families", help="Show each family too.")] = False,
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="Show the N worst models of each file.")] = 0,
    write_constants: Annotated[Path | None, typer.Option(metavar="FILE", help="Write constants fitted to all the files.")] = None,
    form: options.Form = "text",
    **shared: Any,
) -> None:
    """Compare estimated with measured speed: by data sheet only, with ten calibrating models, and with families held out."""
    from reports.cli.common.output import listen
    from zoo.devices.data_sheets import read_devices
    from zoo.errors import InputError
    from zoo.settings import Execution
    from zoo.validation.measured_models import TraceSource
    from zoo.validation.measured_sets import by_term_model, join_files
    from zoo.validation.protocols import validate

    with listen() as listener:
        source = TraceSource(open_workspace(cache, None).cache, Execution(workers=shared["workers"]), listener)
        if published:
            _validate_published(source, write_constants, form)
            return
        if not files:
            raise InputError("Give tables of measured speeds, or --published.")
        joined = join_files(files, source, read_devices(devices) if devices else None)
    groups = by_term_model(joined.sets)
    if write_constants:
        _write_constants(write_constants, groups, files)
    found = [(file, tests) for group in groups for file, tests in zip(group, validate(group), strict=True)]

    def print_text(console: Console) -> None:
        _print_protocols(console, found, families=families, worst=worst)
        _note_left_out(joined.left_out)

    print_answer(
        form,
        print_text,
        lambda: {"files": [_file_record(*one) for one in found], "left_out": list(map(dataclasses.asdict, joined.left_out))},
    )


def _validate_published(source: TraceSource, write_constants: Path | None, form: str) -> None:
    """Print every protocol on every platform, and write the fitted constants to a file if one is named."""
    from zoo.estimation.platforms.constants import dump_fitted
    from zoo.validation.platforms.validation import read_published, validate_platforms

    results, constants = [], []
    for found, fitted in validate_platforms(read_published(source, "zoometer validate-speed --published")):
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
            rows.append((", ".join(last), *[""] * (len(_PLATFORM_HEADERS) - 1)))
        rows.append(_result_cells(result))
    print_table(console, _PLATFORM_HEADERS, rows, right=_PLATFORM_HEADERS[1:])


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


def _write_constants(path: Path, groups: Sequence[Sequence[MeasuredSet]], files: Sequence[Path]) -> None:
    from zoo.estimation.constants import dump_constants
    from zoo.validation.protocols import fit_constants

    command = f"zoometer validate-speed {' '.join(file.name for file in files)} --write-constants {path.name}"
    path.write_text(dump_constants([fit_constants(group, command=command) for group in groups]), encoding="utf-8")


def _file_record(file: MeasuredSet, tests: Sequence[ProtocolResult]) -> dict[str, Any]:
    """Everything for programs."""
    return {
        "file": file.name,
        "device": file.device.id,
        **{name: getattr(file.run, name) for name in ("precision", "layout", "compiled")},
        "models": len(file.measured_s),
        "protocols": [
            {
                "protocol": test.protocol,
                **dataclasses.asdict(test.agreement),
                "families": _by_family(file, test),
                "worst": _worst_models(file, test, 10),
            }
            for test in tests
        ],
    }


def _by_family(file: MeasuredSet, test: ProtocolResult) -> dict[str, Mapping[str, float]]:
    import numpy as np

    if test.log_ratios is None:
        return {}
    return {
        family: {
            "models": int((of := file.family == family).sum()),
            "median_error_percent": 100 * float(np.median(np.abs(np.exp(test.log_ratios[of]) - 1))),
            "median_ratio": float(np.exp(np.median(test.log_ratios[of]))),
        }
        for family in sorted(set(file.family))
    }


def _worst_models(file: MeasuredSet, test: ProtocolResult, most: int) -> list[dict[str, Any]]:
    import numpy as np

    if test.log_ratios is None:
        return []
    order = np.argsort(-np.abs(test.log_ratios), kind="stable")[:most]
    return [{"model": str(file.model[i]), "estimated_over_measured": float(np.exp(test.log_ratios[i]))} for i in order]


def _print_protocols(
    console: Console, found: Sequence[tuple[MeasuredSet, Sequence[ProtocolResult]]], *, families: bool, worst: int
) -> None:
    from reports.terminal.console import print_table

    rows = []
    for file, tests in found:
        rows.append((f"{file.name} ({file.device.id})", *[""] * (len(_HEADERS) - 1)))
        for test in tests:
            a = test.agreement
            covered = "–" if a.covered_percent is None else f"{a.covered_percent:.0f} %"
            figures = (f"{a.median_error_percent:.1f} %", f"{a.p90_error_percent:.0f} %", f"{a.close_percent:.0f} %", covered)
            rows.append((f"  {test.protocol}", f"{a.models:,}", f"{a.rank_correlation:.3f}", *figures))
    print_table(console, _HEADERS, rows, right=_HEADERS[1:])
    for file, tests in found:
        held_out = next(test for test in tests if "family held out" in test.protocol)
        if families:
            _print_families(console, file, held_out)
        for one in _worst_models(file, held_out, worst):
            typer.echo(f"{file.name}: {one['model']} estimated at {one['estimated_over_measured']:.2f} times what was measured")


def _print_families(console: Console, file: MeasuredSet, test: ProtocolResult) -> None:
    from reports.terminal.console import print_table

    rows = [
        (family, f"{values['models']}", f"{values['median_error_percent']:.1f} %", f"{values['median_ratio']:.2f}")
        for family, values in sorted(_by_family(file, test).items(), key=lambda item: -item[1]["median_error_percent"])
    ]
    headers = (f"family, {file.name}, {test.protocol}", "models", "median error", "estimated/measured")
    print_table(console, headers, rows, right=headers[1:])


def _note_left_out(left_out: Sequence[Unmatched]) -> None:
    if left_out:
        note(f"{len(left_out)} rows of the files are not used:")
    for row in left_out[:_MOST_LEFT_OUT]:
        note(f"  {row.source}: {row.name} {row.input}: {row.reason}")
