"""`zoometer calibrate`: a few measurements on a device make the estimates of all models better."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import read_config
from reports.cli.common.output import TextFormat, print_json
from zoo.settings import DEFAULT_CACHE

if TYPE_CHECKING:
    from zoo.validation.calibrate_device import UncalibratedRun
    from zoo.validation.metrics import Agreement, CalibratedRun

EXAMPLES = examples(
    "zoometer calibrate --device rtx-4090 --from speed.csv",
    "zoometer calibrate --device core-i9-10940x",
    "zoometer calibrate --device galaxy-s24 --from phone.csv",
    "zoometer calibrate --device my-gpu --devices mine.yaml --format json",
    closing="""Without --from, the measurements are those of the cache: what measure and
 speeds import put there. Each way of running (dtype, layout, eager or compiled)
 has a calibration of its own, of at least five models; ten, of different
 families, are better. They are kept in the cache. On phones, accelerators and
 boards, the columns runtime and threads tell ways of running apart; the way
 whose estimates are nearest to what was measured is calibrated.

 The errors of calibrated estimates are those of estimates made without the
 model's own measurement.

 Exit code 1: no way of running was measured often enough.""",
)


def calibrate(
    device: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=options.complete_device, help="The device; zoometer devices lists them.")
    ],
    files: Annotated[
        list[Path] | None, typer.Option("--from", metavar="FILE", help="Measured speeds, a CSV as for select. Repeatable.")
    ] = None,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Fit the estimates of a device to what was measured on it, and say how much better that makes them."""
    from reports.cli.common.output import listen
    from reports.selection.device_lookup import look_up_device
    from zoo.validation.calibrate_device import calibrate_device
    from zoo.validation.measured_models import TraceSource
    from zoo.validation.metrics import CalibratedRun as Done

    loaded = read_config(config, cache) if config else None
    chosen = look_up_device(device, devices or (loaded.devices if loaded else None))
    assert chosen is not None
    with listen() as listener:
        source = TraceSource(loaded.cache if loaded else cache or DEFAULT_CACHE, listener=listener)
        found = calibrate_device(source, chosen, files or ())
    if form is TextFormat.JSON:
        print_json([_record(one) for one in found])
    else:
        _print(found)
    if not any(isinstance(one, Done) for one in found):
        raise typer.Exit(ExitCode.NO)


def _record(one: CalibratedRun | UncalibratedRun) -> dict[str, Any]:
    from zoo.validation.calibrate_device import UncalibratedRun as No

    if isinstance(one, No):
        return {"status": "refused", **dataclasses.asdict(one)}
    return {
        "status": "calibrated",
        **{name: getattr(one.run, name) for name in ("device", "precision", "layout", "compiled", "runtime", "threads", "batch")},
        "way": one.platform_run,
        "measurements": one.measurements,
        "factor": one.factor,
        "standard_error": one.standard_error,
        "path": one.path,
        "not_calibrated": None if one.before is None else dataclasses.asdict(one.before),
        "calibrated": dataclasses.asdict(one.after),
        "unused": list(one.unused),
        "left_out": one.left_out,
    }


def _print(found: list[CalibratedRun | UncalibratedRun]) -> None:
    from zoo.validation.calibrate_device import UncalibratedRun as No

    for one in found:
        run = one if isinstance(one, No) else one.run
        words = f"{run.precision}, {run.layout}, {'compiled' if run.compiled else 'eager'}"
        if isinstance(one, No):
            typer.echo(f"{words}: not calibrated: {one.reason}")
            continue
        error = "" if one.standard_error is None else f" (±{one.standard_error:.0%})"
        typer.echo(
            f"{one.run.device}, {one.platform_run or words}: {one.measurements} measurements, which take {one.factor:.2f} times as long as "
            f"estimated{error}"
        )
        before = "no estimates without a calibration" if one.before is None else _errors(one.before)
        typer.echo(f"  not calibrated  {before}")
        typer.echo(f"  calibrated      {_errors(one.after)}")
        for sentence in one.unused:
            typer.echo(f"  ! {sentence}")
        if one.left_out:
            typer.echo(f"  ! {one.left_out} measurements of other runtimes or numbers of threads were left out")
        typer.echo(f"  kept in {one.path}")


def _errors(found: Agreement) -> str:
    covered = "" if found.covered_percent is None else f", {found.covered_percent:.0f} % in their interval"
    return (
        f"median error {found.median_error_percent:.1f} %, 90 % below {found.p90_error_percent:.1f} %, "
        f"{found.close_percent:.0f} % within 25 %{covered}, rank correlation {found.rank_correlation:.3f}"
    )
