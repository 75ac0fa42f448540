"""What recording workloads costs beside counting alone.

    python tests/benchmarks/workloads.py                    30 architectures of all families
    python tests/benchmarks/workloads.py --every 25         every 25th architecture of timm
    python tests/benchmarks/workloads.py --runs 3           median of three runs

Each architecture is built once, counted, and its workloads are recorded in float32, float16 and amp, in both memory layouts; then
the same six traces are made by a pass each, as comparison. Each run starts with nothing remembered, and remembers from one
architecture to the next, as a worker does. Times are CPU seconds of this process. *Counting* is building, the pass and the row of
the table; the ratio is counting and workloads over counting. A workload is *derived* from the pass in another mode, or *run* where
that would not be exact.
"""

from __future__ import annotations

import argparse
import gc
import logging
import statistics
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import torch  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from counting import build_quickly, native_shape, sample  # noqa: E402
from models_for_tests import architectures  # noqa: E402
from torch import nn  # noqa: E402

from zoo.adapters.registry import open_zoo  # noqa: E402
from zoo.api.workloads import RecordedWorkload, TraceMode, WorkloadRecorder  # noqa: E402
from zoo.counting.count_model import count_model, meta_input  # noqa: E402
from zoo.estimation.workloads.workload import summarise  # noqa: E402
from zoo.meta.build import buildable  # noqa: E402
from zoo.meta.module_stack import followable  # noqa: E402
from zoo.recording.memo import Memo  # noqa: E402
from zoo.records import CostKey, TraceKey, Versions  # noqa: E402
from zoo.run_config import LAYOUTS, Precision  # noqa: E402
from zoo.tracing.pass_model import PassModel  # noqa: E402
from zoo.tracing.trace import Arguments, trace_model  # noqa: E402
from zoo.workers.job import count_result, current_versions  # noqa: E402
from zoo.workers.trace_job import trace_result  # noqa: E402

MODES = [(precision, layout) for precision in (Precision.FP32, Precision.FP16, Precision.AMP) for layout in LAYOUTS]
T = TypeVar("T")


def _arguments(shape: tuple[int, ...]) -> Callable[[int], Arguments]:
    return lambda batch: ((meta_input(shape, batch=batch),), {})


def rows_of(key: CostKey, workloads: Mapping[TraceMode, RecordedWorkload | Exception], versions: Versions) -> None:
    """The rows of the cache, as a worker makes them."""
    for (precision, layout), found in workloads.items():
        if not isinstance(found, Exception):
            trace_result(TraceKey(*key, precision, layout), found.workload, None, versions, 0.0)


def _record(
    recorder: WorkloadRecorder, model: nn.Module, shape: tuple[int, ...]
) -> dict[TraceMode, RecordedWorkload | Exception]:
    return recorder.record(PassModel(model), _arguments(shape), MODES)


def run_pass(model: nn.Module, shape: tuple[int, ...], **mode: Any) -> None:
    """A trace and its workload."""
    summarise(trace_model(model, shape, **mode))


class Run:
    """One run over all architectures: CPU seconds of each step, and how many workloads were made in which way."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.made: Counter[str] = Counter()

    def timed(self, step: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Adds the time of a step."""
        started = time.process_time()
        result = function(*args, **kwargs)
        self.seconds[step] += time.process_time() - started
        return result

    def measure(self, names: list[str], *, compare: bool) -> None:
        """All steps of each architecture."""
        memo, trace_memo, recorder = Memo(), Memo(), WorkloadRecorder()
        for name in names:
            library, _, arch = name.partition("/")
            versions, shape = current_versions(open_zoo(library)), native_shape(name)
            key = CostKey(library, arch, "x".join(map(str, shape)), None)
            model = self.timed("build", build_quickly, name, shape)
            cost = self.timed("count", count_model, model, [meta_input(shape)], memo)
            self.timed("row", count_result, key, cost, versions)
            workloads = self.timed("workloads", _record, recorder, model, shape)
            self.timed("rows", rows_of, key, workloads, versions)
            self.made.update(
                "failed" if isinstance(w, Exception) else "derived" if w.is_derived else "run" for w in workloads.values()
            )
            for precision, layout in MODES if compare else ():
                self.timed("six passes", run_pass, model, shape, precision=precision, layout=layout, memo=trace_memo)

    @property
    def counting_s(self) -> float:
        """Counting alone."""
        return sum(self.seconds[step] for step in ("build", "count", "row"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=30, help="architectures, spread over all families (default: 30)")
    parser.add_argument("--every", type=int, help="every so many of timm's in place of a sample")
    parser.add_argument("--runs", type=int, default=1, help="runs whose median is taken (default: 1)")
    parser.add_argument("--no-comparison", action="store_true", help="leave out the six passes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    names = [f"timm/{name}" for name in architectures("timm")][:: given.every] if given.every else sample(given.sample)
    gc.disable()  # as in a worker
    with buildable(), followable():
        Run().measure(["torchvision/resnet18"], compare=True)  # what torch does at its first use belongs to nobody
        runs = [Run() for _ in range(given.runs)]
        for run in runs:
            run.measure(names, compare=not given.no_comparison)
    sys.stdout.write(f"{len(names)} architectures, {len(MODES)} modes, median of {given.runs} runs, CPU seconds\n")
    for step in runs[0].seconds:
        sys.stdout.write(f"{step:12}{statistics.median(run.seconds[step] for run in runs):9.2f}\n")
    ratio = statistics.median((run.counting_s + run.seconds["workloads"] + run.seconds["rows"]) / run.counting_s for run in runs)
    sys.stdout.write(f"counting and workloads / counting: {ratio:.2f}; workloads {dict(runs[0].made)}\n")


if __name__ == "__main__":
    main()
