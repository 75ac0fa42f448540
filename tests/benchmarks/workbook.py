"""Seconds, seconds of the processor and memory to write a workbook, or another export: `python tests/benchmarks/workbook.py 2400 100000`.

Each size runs in a process of its own, because the most memory a process ever had cannot be reset. `--format csv` and others
measure the exports. Rows are synthetic (`tests/support/fakes_excel.py`); making them is not measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))


def measure(rows: int, suffix: str) -> tuple[float, float, float, float, float]:
    """Seconds, seconds of the processor, most MB before and after writing, and the file's MB."""
    from fakes_excel import make_report, with_budgets

    from reports import excel, exports

    report = with_budgets(make_report(rows))
    before = _most_mb()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"leaderboard.{suffix}"
        started = time.perf_counter(), time.process_time()
        (excel.write if suffix == "xlsx" else exports.write)(report, path)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        return *taken, before, _most_mb(), path.stat().st_size / 1e6


def _most_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[2400, 100_000])
    parser.add_argument("--format", default="xlsx")
    arguments = parser.parse_args()
    write_line = sys.stdout.write
    write_line("    rows   seconds       CPU   memory MB (before)   file MB\n")
    for rows in arguments.rows:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, cpu, before, most, size = pool.apply(measure, (rows, arguments.format))
        write_line(f"{rows:8,}  {seconds:8.1f}  {cpu:8.1f}  {most:9.0f} ({before:.0f})  {size:16.1f}\n")


if __name__ == "__main__":
    main()
