"""`zoometer calibrate`: a few measurements on a device make the estimates of all models better."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace
from reports.cli.common.output import print_answer

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
    form: options.Form = "text",
) -> None:
    """Fit the estimates of a device to what was measured on it, and say how much better that makes them."""
    from reports.cli.common.output import listen
    from reports.selection.speeds.device_lookup import look_up_device
    from zoo.validation.calibrate_device import calibrate_device
    from zoo.validation.measured_models import TraceSource
    from zoo.validation.metrics import CalibratedRun as Done

    workspace = open_workspace(cache, config)
    chosen = look_up_device(device, workspace.devices_file(devices))
    assert chosen is not None
    with listen() as listener:
        runs = calibrate_device(TraceSource(workspace.cache, listener=listener), chosen, files or ())
    print_answer(form, lambda _: _echo_runs(runs), lambda: [_run_record(run) for run in runs])
    if not any(isinstance(run, Done) for run in runs):
        raise typer.Exit(ExitCode.NO)


def _run_record(one: CalibratedRun | UncalibratedRun) -> dict[str, Any]:
    from zoo.validation.calibrate_device import UncalibratedRun as No

    if isinstance(one, No):
        return {"status": "refused", **dataclasses.asdict(one)}
    return {
        "status": "calibrated",
        **{name: getattr(one.run, name) for name in ("device", "precision", "layout", "compiled", "runtime", "threads", "batch")},
        "way": one.platform_run,
        **{name: getattr(one, name) for name in ("measurements", "factor", "standard_error", "path")},
        "not_calibrated": None if one.before is None else dataclasses.asdict(one.before),
        "calibrated": dataclasses.asdict(one.after),
        "unused": list(one.unused),
        "left_out": one.left_out,
    }


def _echo_runs(runs: list[CalibratedRun | UncalibratedRun]) -> None:
    from zoo.validation.calibrate_device import UncalibratedRun as No

    for one in runs:
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
        before = "no estimates without a calibration" if one.before is None else _agreement_text(one.before)
        typer.echo(f"  not calibrated  {before}")
        typer.echo(f"  calibrated      {_agreement_text(one.after)}")
        for sentence in one.unused:
            typer.echo(f"  ! {sentence}")
        if one.left_out:
            typer.echo(f"  ! {one.left_out} measurements of other runtimes or numbers of threads were left out")
        typer.echo(f"  kept in {one.path}")


def _agreement_text(errors: Agreement) -> str:
    covered = "" if errors.covered_percent is None else f", {errors.covered_percent:.0f} % in their interval"
    return (
        f"median error {errors.median_error_percent:.1f} %, 90 % below {errors.p90_error_percent:.1f} %, "
        f"{errors.close_percent:.0f} % within 25 %{covered}, rank correlation {errors.rank_correlation:.3f}"
    )
