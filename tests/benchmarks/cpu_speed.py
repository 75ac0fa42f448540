"""Estimated against measured time on this machine's CPU: `python tests/benchmarks/cpu_speed.py CACHE --threads 2`.

Measures one small timm architecture of each family (float32, channels first, one image, eager), calibrates the estimate with ten
of them, and prints how well it agrees with the others: with ten that are spread over the range of MACs, and the median of many
random tens. Measurements are kept in the folder CACHE and not made again, so that the program can be interrupted and repeated.
It wants a quiet machine and takes about ten minutes on one. `cpu_constants.py` beside it fits the constants that the estimates
rest on to other architectures.

The data sheet is that of `--device ID` (with `--devices FILE` a user's own), or is measured in the same run: the rate of a matrix
product, and that of copying memory. MACs alone stand beside it: one factor, from the same ten.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import numpy as np  # noqa: E402 the folders of a script's neighbours are not searched by themselves
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from models_for_tests import TIMM  # noqa: E402

from reports.cli.measure.measure_run import Progress  # noqa: E402
from zoo.cache.store import Store  # noqa: E402
from zoo.devices.data_sheets import read_devices, shipped_devices  # noqa: E402
from zoo.devices.device import Device, Figure, FigureSource  # noqa: E402
from zoo.devices.device_names import find_device  # noqa: E402
from zoo.errors import SpeedError  # noqa: E402
from zoo.estimation.calibration import calibrate  # noqa: E402
from zoo.measurement.repetition import TimingTarget  # noqa: E402
from zoo.measurement.session import measure  # noqa: E402
from zoo.measurement.settings import MeasureSettings  # noqa: E402
from zoo.records import MODEL_COLUMNS, Selection  # noqa: E402
from zoo.refresh.fill_missing import fill_missing  # noqa: E402
from zoo.run_config import RunConfig  # noqa: E402
from zoo.settings import Execution, ZooSettings  # noqa: E402
from zoo.validation.calibrate_device import compare_estimates, estimate_measured  # noqa: E402
from zoo.validation.measured_models import TraceSource  # noqa: E402
from zoo.validation.metrics import Agreement, agreement, median_of  # noqa: E402

CALIBRATING = 10
DRAWS = 200
COPIED_BYTES = 512 * 2**20
"""Far more than any cache holds."""

Indices: TypeAlias = npt.NDArray[np.intp]

RUN = RunConfig()
Estimating: TypeAlias = Callable[..., pd.DataFrame]
"""Estimates measured models: of their rows, and a calibration if there is one."""


def main() -> None:
    """Measure what is missing, then print the agreement."""
    asked = parse_arguments()
    count_architectures(asked.cache, TIMM)
    names = small_architectures(asked)
    measure_architectures(asked, names)
    rows = measured_rows(asked, names)
    if asked.write:
        columns = ["arch", "input", "latency_ms", "peak_gflops_per_s"]
        rows.sort_values("arch")[columns].to_csv(asked.write, index=False, float_format="%.3f")
    known = read_devices(asked.devices) if asked.devices else {}
    device = find_device(asked.device, known) if asked.device else measured_device(rows, asked.threads)
    print_agreement(rows, device, Store(asked.cache))


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measuring_options(parser)
    parser.add_argument("--most-gmacs", type=float, default=4.0, help="architectures with more are left out")
    parser.add_argument(
        "--write", type=Path, help="file that the measurements are written to, such as tests/fixtures/cpu_speeds.csv"
    )
    return parser.parse_args()


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Those of how and where is measured."""
    parser.add_argument("cache", help="folder where measurements are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time-s", type=float, default=4.0, help="limit of the repetitions of one measurement")
    parser.add_argument("--device", help="id of this machine's CPU, whose data sheet is used in place of a measured one")
    parser.add_argument("--devices", type=Path, help="devices of your own, in YAML")


def count_architectures(cache: str, names: Collection[str]) -> None:
    """Counts them, so that large ones can be left out and measuring knows how long it takes."""
    from zoo.records import CostKey
    from zoo.refresh.fill_missing import list_architectures

    listed = [one for one in list_architectures(cache, ["timm"]) if one.name in names]
    fill_missing([CostKey("timm", one.name, one.input, one.classes) for one in listed], cache, Execution(workers=1))


def small_architectures(asked: argparse.Namespace) -> list[str]:
    """One architecture of each family, without the large ones."""
    costs = Store(asked.cache).costs(zoo="timm", columns=["macs"])
    return sorted(set(costs.loc[costs["macs"] <= asked.most_gmacs * 1e9, "arch"]) & set(TIMM))


def measure_architectures(asked: argparse.Namespace, names: Collection[str]) -> None:
    """Those that the cache has no measurement of."""
    known = read_devices(asked.devices) if asked.devices else {}
    settings = MeasureSettings(
        cache=asked.cache,
        zoos={"timm": ZooSettings(Selection(tuple(names)))},
        runs=(RunConfig("cpu", threads=asked.threads),),
        target=TimingTarget(time_s=asked.time_s),
        device_id=asked.device,
        devices={**shipped_devices(), **known},
    )
    measure(settings, Progress())


def measured_rows(asked: argparse.Namespace, names: Collection[str]) -> pd.DataFrame:
    """The newest measurement of each architecture with this number of threads."""
    rows = Store(asked.cache).speeds()
    rows = rows[(rows["threads"] == asked.threads) & (rows["dtype"] == "float32") & ~rows["compiled"] & (rows["batch"] == 1)]
    rows = rows[rows["arch"].isin(names)].reset_index(drop=True)
    known = rows["half_width"].median()
    say(f"\n{len(rows)} architectures, {asked.threads} thread(s); the medians' intervals are ±{known:.1%} wide in the median.")
    typed: pd.DataFrame = rows.astype({"latency_ms": float, "batch": int})
    return typed


def measured_device(rows: pd.DataFrame, threads: int) -> Device:
    """A data sheet of what this machine does: its best matrix product of the run, and copying memory."""
    peak, bandwidth = float(rows["peak_gflops_per_s"].max()) * 1e9, copying_bytes_per_s(threads)
    cache = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    cache_bytes = 1024.0 * int(cache.read_text(encoding="ascii").strip().removesuffix("K")) if cache.exists() else None
    say(f"Data sheet as measured: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s.")
    source = FigureSource("measured by this program")
    return Device(
        str(rows["device"].iloc[0]),
        "this CPU",
        "server-cpu",
        peak_per_s={"fp32_vector": Figure(peak, source)},
        memory_bandwidth_bytes_per_s=Figure(bandwidth, source),
        cache_bytes=Figure(cache_bytes, source) if cache_bytes else None,
    )


def copying_bytes_per_s(threads: int) -> float:
    """Bytes read and written a second while a tensor is copied; the best of a few tries."""
    torch.set_num_threads(threads)
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(30):
        started = time.perf_counter()
        target.copy_(source)
        best = min(best, time.perf_counter() - started)
    return 2 * COPIED_BYTES / best


def print_agreement(rows: pd.DataFrame, device: Device, store: Store) -> None:
    """Of the estimate calibrated with ten, and of MACs alone."""
    estimating = functools.partial(
        estimate_measured, device, RUN, TraceSource(store.address, Execution(workers=1)).workloads(rows, RUN)
    )
    estimates = estimating(rows)
    usable = rows.merge(estimates.loc[estimates["latency_ms"].notna(), MODEL_COLUMNS], on=MODEL_COLUMNS)
    costs = store.costs(zoo="timm", columns=["macs"])
    usable = usable.merge(costs[costs["batch"] == 1][[*MODEL_COLUMNS, "macs"]], on=MODEL_COLUMNS).sort_values(
        "macs", ignore_index=True
    )
    say(f"{len(usable)} of them have an estimate.\n")
    say(f"{'calibrated with':34} {'':14} {'others':>6} {'rank':>6} {'median':>8} {'p90':>8} {'<25 %':>6} {'covered':>8}")
    spread = np.linspace(0, len(usable) - 1, CALIBRATING).round().astype(int)
    draw = np.random.default_rng(0)
    draws = [draw.choice(len(usable), CALIBRATING, replace=False) for _ in range(DRAWS)]
    for name, tens in (("ten over the range of MACs", [spread]), (f"ten, the median of {DRAWS} draws", draws)):
        print_line(name, "estimate", median_of([test(estimating, estimates, usable, ten) for ten in tens]))
        print_line("", "MACs alone", median_of([test_macs(usable, ten) for ten in tens]))
    print_worst(estimating, estimates, usable, spread)


def test(estimating: Estimating, estimates: pd.DataFrame, rows: pd.DataFrame, ten: Indices) -> Agreement:
    """Calibrates with ten and compares the others."""
    others = rows[~rows.index.isin(ten)]
    return compare_estimates(estimating(others, calibrate(estimates, rows.iloc[ten])), others)


def test_macs(rows: pd.DataFrame, ten: Indices) -> Agreement:
    """The same with one factor of milliseconds a MAC."""
    others, macs = rows[~rows.index.isin(ten)], rows["macs"].to_numpy(float)
    factor = np.exp(np.median(np.log(rows["latency_ms"].to_numpy(float)[ten] / macs[ten])))
    return agreement(others["latency_ms"].to_numpy(float), factor * others["macs"].to_numpy(float))


def print_line(name: str, what: str, found: Agreement) -> None:
    """One row of the table."""
    covered = "–" if found.covered_percent is None else f"{found.covered_percent:.0f} %"
    say(
        f"{name:34} {what:14} {found.models:6} {found.rank_correlation:6.3f} {found.median_error_percent:6.1f} % "
        f"{found.p90_error_percent:6.1f} % {found.close_percent:4.0f} % {covered:>8}"
    )


def print_worst(estimating: Estimating, estimates: pd.DataFrame, rows: pd.DataFrame, ten: Indices) -> None:
    """The models it predicts worst."""
    others = rows[~rows.index.isin(ten)]
    found = others.merge(
        estimating(others, calibrate(estimates, rows.iloc[ten])), on=[*MODEL_COLUMNS, "batch"], suffixes=("", "_estimated")
    )
    ratio = (found["latency_ms_estimated"].astype(float) / found["latency_ms"]).rename("ratio")
    worst = found.assign(ratio=ratio).iloc[np.argsort(-np.abs(np.log(ratio.to_numpy())))[:8]]
    said = ", ".join(f"{row['arch']} {row['ratio']:.2f}" for row in worst.to_dict("records"))
    say(f"\nEstimated over measured, the worst: {said}")


def say(line: str) -> None:
    """On stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except SpeedError as error:
        sys.exit(f"error: {error}")
