"""Fits the constants of eager CPUs: `python tests/benchmarks/cpu_constants.py CACHE zoo/estimation/constants.yaml --threads 1`.

Measures the architectures of `cpu_fit_set.py` (float32, channels first, one image, eager) as `cpu_speed.py` does its own, which are
others. Prints how well constants that were fitted without a model's family foresee it, and puts those fitted to all into the file,
in place of the ones of the same name. It wants a quiet machine and takes about ten minutes on one.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import pandas as pd  # noqa: E402
from cpu_fit_set import FIT_SET  # noqa: E402
from cpu_speed import (  # noqa: E402
    RUN,
    add_measuring_options,
    count_architectures,
    measure_architectures,
    measured_device,
    measured_rows,
    print_line,
    say,
)
from models_for_tests import TIMM  # noqa: E402

from zoo.cache.store import Store  # noqa: E402
from zoo.devices.data_sheets import read_devices  # noqa: E402
from zoo.devices.device import Device  # noqa: E402
from zoo.devices.device_names import find_device  # noqa: E402
from zoo.errors import SpeedError  # noqa: E402
from zoo.estimation.constants import Constants, dump_constants, parse_constants  # noqa: E402
from zoo.measurement.environment import cpu_name  # noqa: E402
from zoo.settings import Execution  # noqa: E402
from zoo.validation.measured_models import TRACED_MODEL, TraceSource, with_architectures  # noqa: E402
from zoo.validation.measured_sets import MeasuredSet  # noqa: E402
from zoo.validation.protocols import fit_constants, validate  # noqa: E402

NAMES = [name for name in FIT_SET if name not in TIMM]
"""None that `cpu_speed.py` tests on."""


def main() -> None:
    """Measure what is missing, validate, and write the constants."""
    asked = parse_arguments()
    count_architectures(asked.cache, NAMES)
    measure_architectures(asked, NAMES)
    rows = measured_rows(asked, [name for name in NAMES if name not in asked.without])
    known = read_devices(asked.devices) if asked.devices else {}
    device = find_device(asked.device, known) if asked.device else measured_device(rows, asked.threads)
    measured = join(rows, device, Store(asked.cache))
    say(
        f"\n{'tested on models held out of the fit':34} {'':14} {'models':>6} {'rank':>6} {'median':>8} {'p90':>8} {'<25 %':>6} {'covered':>8}"
    )
    for tested in validate([measured])[0]:
        print_line(tested.protocol.removeprefix("same device, "), "", tested.agreement)
    write(fitted(measured, rows, asked), asked.constants)


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measuring_options(parser)
    parser.add_argument("constants", type=Path, help="file that the constants are written to")
    parser.add_argument(
        "--without", nargs="*", default=[], help="architectures that something disturbed while they were measured"
    )
    return parser.parse_args()


def join(rows: pd.DataFrame, device: Device, store: Store) -> MeasuredSet:
    """The measurements with the terms of their models."""
    models = with_architectures(rows, store.architectures()).assign(step_s=rows["latency_ms"] / 1000)
    workloads = TraceSource(store.address, Execution(workers=1)).workloads(rows, RUN).drop(columns="batch")
    return MeasuredSet.of("speeds", device, RUN, workloads.merge(models[[*TRACED_MODEL, "batch", "step_s", "family"]]))


def fitted(measured: MeasuredSet, rows: pd.DataFrame, asked: argparse.Namespace) -> Constants:
    """Constants that say what they were fitted to."""
    without = f" --without {' '.join(asked.without)}" if asked.without else ""
    threads = "one thread" if asked.threads == 1 else f"{asked.threads} threads"
    constants = fit_constants(
        [measured], command=f"python tests/benchmarks/cpu_constants.py CACHE constants.yaml --threads {asked.threads}{without}"
    )
    runtime = str(rows["runtime"].iloc[0])
    return dataclasses.replace(
        constants, fitted_on=(f"{cpu_name()}, {threads}, {runtime}, batch 1: {len(measured.model)} models of timm",)
    )


def write(constants: Constants, path: Path) -> None:
    """Into the file, in place of those of the same name."""
    kept = dict(parse_constants(path.read_text(encoding="utf-8"))) if path.exists() else {}
    path.write_text(dump_constants(list({**kept, constants.name: constants}.values())), encoding="utf-8")
    say(f"\nThe constants of {constants.name} are in {path}.")


if __name__ == "__main__":
    try:
        main()
    except SpeedError as error:
        sys.exit(f"error: {error}")
