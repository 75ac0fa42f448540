"""Seconds of the processor for each step of a report: `python tests/benchmarks/report.py configs/default.yaml`.

The cache of the configuration has to be filled. Steps repeat in turn (`--repeat`); their medians and shares of the whole are printed.
Importing modules and reading the data files that come with zoometer belong to the step that does so first.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def measure(path: Path) -> Iterator[tuple[str, float]]:
    """Each step with its seconds, in the order of a report."""
    started = time.process_time()

    def taken() -> float:
        nonlocal started
        before, started = started, time.process_time()
        return started - before

    from reports.config.config_file import load_config
    from reports.leaderboard.leaderboard_report import build_leaderboard_report

    config = load_config(path)
    yield "imports and configuration", taken()
    report = build_leaderboard_report(config.refresh_settings(), title="Benchmark")
    yield "leaderboard", taken()

    from reports.leaderboard.device_latencies import build_device_latencies
    from reports.selection.speeds.speed_estimates import CachedSpeeds
    from zoo.cache.store import Store
    from zoo.devices.data_sheets import shipped_devices

    cached, devices = CachedSpeeds(Store(config.cache)), list(shipped_devices().values())
    latencies, platforms = build_device_latencies(report.leaderboard, cached, devices)
    report = dataclasses.replace(report, device_latencies=latencies, platforms=platforms)
    yield "latencies on all devices", taken()

    from reports import excel, html

    with tempfile.TemporaryDirectory() as folder:
        html.write(report, Path(folder) / "report.html")
        yield "page", taken()
        excel.write(report, Path(folder) / "report.xlsx")
        yield "workbook", taken()


def main() -> None:
    """Print a line for each step; each repetition has a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        sys.stdout.writelines(f"{seconds}\t{step}\n" for step, seconds in measure(arguments.config))
        return
    found: dict[str, list[float]] = {}
    for _ in range(arguments.repeat):
        command = [sys.executable, __file__, str(arguments.config), "--once"]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            seconds, _, step = line.partition("\t")
            found.setdefault(step, []).append(float(seconds))
    medians = {step: statistics.median(values) for step, values in found.items()}
    for step, seconds_of_step in medians.items():
        sys.stdout.write(f"{step:28}{seconds_of_step:7.2f} s{seconds_of_step / sum(medians.values()):7.0%}\n")


if __name__ == "__main__":
    main()
