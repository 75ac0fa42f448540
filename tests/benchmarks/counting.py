"""Speed of counting beside other counters, and of a whole `zoometer run`.

    python tests/benchmarks/counting.py                     24 architectures of all families, three runs
    python tests/benchmarks/counting.py --sample 60         more of them
    python tests/benchmarks/counting.py --all --runs 1      all of timm: about an hour
    python tests/benchmarks/counting.py --whole             only a `zoometer run` over all of timm, with two workers

All counters take turns at each architecture in one process, so that a busy moment of the machine meets all of them; times are
CPU seconds, medians over the runs, summed over the architectures. *Build* is the time to make the model as a counter's user would:
with numbers on the CPU, or under `torch.device("meta")`. fvcore cannot trace without numbers, so it gets small models only. Every ratio is over the architectures that both counters managed; what a
counter fails on is listed. *Agree* counts totals within 1 % of torch's own counter.

*First pass* starts each run with nothing remembered, and remembers from one architecture to the next, as a worker does; *repeated*
counts the same model again; *new size* counts it at an input that this architecture has not had. *Count / bare* is the time
over that of the model's own forward pass on the meta device, at the same input.

The whole run is timed from the start of its process to the end, when all rows are committed; it renders no report and fetches no
accuracy. It is made with one row an architecture, at the input of its default weights, and with one for the native input of each
set of weights. Its CPU seconds and peak memory are those of all its processes, as seen five times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import psutil  # noqa: E402
import torch  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from fvcore.nn import FlopCountAnalysis  # noqa: E402
from models_for_tests import NAMES, architectures  # noqa: E402
from ptflops import get_model_complexity_info  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from zoo.adapters.registry import open_zoo  # noqa: E402
from zoo.cache.store import Store  # noqa: E402
from zoo.counting.count_model import count_model, meta_input  # noqa: E402
from zoo.inputs import parse_input  # noqa: E402
from zoo.meta.build import build_on_meta, buildable  # noqa: E402
from zoo.recording.memo import Memo  # noqa: E402
from zoo.records import CostKey  # noqa: E402

Shape = tuple[int, ...]
Build = Callable[[str, Shape], nn.Module]
Count = Callable[[nn.Module, Shape], int | None]

FIRST, REPEATED, NEW_SIZE = "zoometer, first pass", "zoometer, repeated", "zoometer, new size"
BARE, BARE_NEW, TORCH = "bare forward on meta", "bare forward, new size", "FlopCounterMode on meta"
BARE_OF = {NEW_SIZE: BARE_NEW, BARE_NEW: BARE_NEW}
SMALL_PARAMS, SMALL_INPUT = 40_000_000, 3 * 300 * 300
"""Limits of what is computed with numbers."""


class Counter(NamedTuple):
    """One way of counting: `builder` names how its model is made; the total is in MACs, None where it gives none."""

    name: str
    builder: str
    run: Count
    is_new_size: bool = False


class Took(NamedTuple):
    """Seconds for one architecture in one run, and its total."""

    build_s: float
    count_s: float
    macs: int | None


Times = dict[str, dict[str, list[Took]]]
"""By counter and architecture, one entry a run."""

Failures = dict[str, dict[str, str]]
"""Messages by counter and architecture."""


def construct(name: str, shape: Shape) -> nn.Module:
    """The architecture as its library makes it for an input."""
    library, _, arch = name.partition("/")
    zoo, classes = open_zoo(library), architectures(library)[arch].classes
    return zoo.build(arch, zoo.build_options(CostKey(library, arch, "x".join(map(str, shape)), classes))).eval()


def build_plainly(name: str, shape: Shape) -> nn.Module:
    """Without numbers, as torch documents it."""
    with torch.device("meta"):
        return construct(name, shape)


def build_quickly(name: str, shape: Shape) -> nn.Module:
    """Without numbers, as zoometer does it."""
    return build_on_meta(lambda: construct(name, shape), open_zoo(name.partition("/")[0]).initialisers(), reuse=True)


BUILDERS: dict[str, Build] = {"zoometer": build_quickly, "meta": build_plainly, "cpu": construct}


def native_shape(name: str) -> Shape:
    """The input an architecture is made for."""
    library, _, arch = name.partition("/")
    return parse_input(architectures(library)[arch].input)


def new_shape(name: str) -> Shape:
    """Another input: 256 pixels, or 224 where those are its own."""
    channels, *sides = native_shape(name)
    return channels, *[224 if sides == [256, 256] else 256 for _ in sides]


def run_bare(model: nn.Module, shape: Shape) -> None:
    """Nothing but the model."""
    with torch.inference_mode():
        model(meta_input(shape))


def count_with_torch(model: nn.Module, shape: Shape) -> int:
    """Gradients off at the parameters: under `no_grad` it fails on several models."""
    model.requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        model(meta_input(shape))
    flops: int = counter.get_total_flops()
    return flops // 2


def count_with_fvcore(model: nn.Module, shape: Shape) -> int:
    """fvcore's "flops" are MACs."""
    with torch.no_grad():
        analysis = FlopCountAnalysis(model, torch.zeros(1, *shape))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        return int(analysis.total())


def count_with_ptflops(model: nn.Module, shape: Shape) -> int:
    """Its default backend. It hides what the model raises behind an answer of None."""
    with torch.no_grad():
        macs, _ = get_model_complexity_info(
            model, shape, as_strings=False, print_per_layer_stat=False, backend="pytorch", ost=io.StringIO()
        )
    if macs is None:
        raise RuntimeError("it gave no answer")
    return int(macs)


def counters(memo: Memo) -> list[Counter]:
    """Those compared, in the order of their turns: a repeated pass follows the first."""

    def count(model: nn.Module, shape: Shape) -> int:
        return count_model(model, [meta_input(shape)], memo).macs

    return [
        Counter(FIRST, "zoometer", count),
        Counter(REPEATED, "zoometer", count),
        Counter(NEW_SIZE, "zoometer", count, is_new_size=True),
        Counter("zoometer without memo", "zoometer", lambda model, shape: count_model(model, [meta_input(shape)]).macs),
        Counter(BARE, "meta", run_bare),
        Counter(BARE_NEW, "meta", run_bare, is_new_size=True),
        Counter(TORCH, "meta", count_with_torch),
        Counter("ptflops on meta", "meta", count_with_ptflops),
        Counter("fvcore on CPU", "cpu", count_with_fvcore),
    ]


def measure(names: list[str], runs: int) -> tuple[Times, Failures]:
    """Lets all counters take turns at every architecture, several times over."""
    times: Times = defaultdict(lambda: defaultdict(list))
    failures: Failures = defaultdict(dict)
    for _ in range(runs):
        with buildable():  # a worker holds it too; at the end all is forgotten
            compared = counters(Memo())
            for name in names:
                measure_one(name, compared, times, failures)
    return times, failures


def measure_one(name: str, compared: list[Counter], times: Times, failures: Failures) -> None:
    """One architecture; each way of building is measured once and its model shared."""
    built: dict[tuple[str, Shape], tuple[nn.Module, float]] = {}
    for counter in compared:
        shape = new_shape(name) if counter.is_new_size else native_shape(name)
        if counter.builder == "cpu" and not is_small(built["zoometer", native_shape(name)][0], shape):
            continue
        try:
            if (counter.builder, shape) not in built:
                started = time.process_time()
                model = BUILDERS[counter.builder](name, shape)
                built[counter.builder, shape] = model, time.process_time() - started
            model, build_s = built[counter.builder, shape]
            started = time.process_time()
            macs = counter.run(model, shape)
            times[counter.name][name].append(Took(build_s, time.process_time() - started, macs))
        except Exception as error:  # noqa: BLE001  # whatever a counter cannot do is said, and the others go on
            failures[counter.name][name] = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"


def is_small(model: nn.Module, shape: Shape) -> bool:
    """Whether computing with numbers takes seconds, not minutes."""
    return sum(p.numel() for p in model.parameters()) <= SMALL_PARAMS and meta_input(shape).numel() <= SMALL_INPUT


def summed(times: Times, counter: str, names: list[str]) -> tuple[float, float]:
    """Seconds of building and of counting: the median of the runs, summed over these architectures."""
    of = times[counter]
    return tuple(sum(statistics.median(getattr(took, part) for took in of[n]) for n in names) for part in ("build_s", "count_s"))


def agreeing(times: Times, counter: str) -> str:
    """How many of a counter's totals are within 1 % of torch's at the same input."""
    if counter == NEW_SIZE:
        return "-"
    pairs = [(took[0].macs, times[TORCH][name][0].macs) for name, took in times[counter].items() if times[TORCH].get(name)]
    known = [(own, other) for own, other in pairs if own is not None and other]
    return f"{sum(abs(own - other) <= 0.01 * other for own, other in known)} of {len(known)}" if known else "-"


def table(times: Times) -> str:
    """A line for each counter; ratios are its time over zoometer's first pass, and over the bare forward pass."""
    lines = [
        f"{'counter':26}{'models':>8}{'build s':>10}{'count s':>10}{'count / first':>15}{'total / first':>15}{'count / bare':>14}{'agree':>12}"
    ]
    for counter in times:
        own = list(times[counter])
        build_s, count_s = summed(times, counter, own)
        both = [name for name in own if name in times[FIRST]]
        first_build, first_count = summed(times, FIRST, both)
        own_build, own_count = summed(times, counter, both)
        reference = BARE_OF.get(counter, BARE)
        ran = [name for name in own if name in times[reference]]
        bare = summed(times, counter, ran)[1] / summed(times, reference, ran)[1]
        lines.append(
            f"{counter:26}{len(own):8}{build_s:10.2f}{count_s:10.2f}{own_count / first_count:15.2f}"
            f"{(own_build + own_count) / (first_build + first_count):15.2f}{bare:14.2f}{agreeing(times, counter):>12}"
        )
    return "\n".join(lines)


def failed(failures: Failures) -> str:
    """What each counter could not do; only the first few by name."""
    return "\n".join(
        f"{counter} failed on {len(of)}: " + "; ".join(f"{name} ({message})" for name, message in list(of.items())[:3])
        for counter, of in failures.items()
    )


CONFIG = """
cache: cache
out: out
zoos: {{timm: {{include: ["*"]}}}}
inputs: [{size}]
accuracy: {{fetch: false}}
execution: {{backend: local, workers: 2}}
reports: []
"""


def say_whole(size: str) -> float:
    """Runs it at the inputs of all weights or of the default ones, says what that took, and gives the seconds."""
    wall_s, said = run_whole(CONFIG.format(size=size))
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    return wall_s


def run_whole(config: str) -> tuple[float, str]:
    """Counts everything into an empty cache, in processes of its own: the seconds, and what is to be said of it."""
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        (Path(folder) / "whole.yaml").write_text(config, encoding="utf-8")
        command = [
            sys.executable,
            "-c",
            "from reports.cli import main; main()",
            "run",
            "whole.yaml",
            "--quiet",
            "--format",
            "json",
        ]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            cpu_s, peaks = watch(process)
            wall_s = time.perf_counter() - started
            said = process.stdout.read() if process.stdout else ""
        costs = Store(Path(folder) / "cache").costs(columns=["status"])
    assert process.returncode == 0, said
    return wall_s, (
        f"zoometer run over all of timm: {costs['arch'].nunique()} architectures, {len(costs)} rows in {wall_s:.1f} s from the start "
        f"of its process to committed rows; CPU {cpu_s:.1f} s in all processes; peak memory of the workers "
        f"{' and '.join(f'{peak / 1e6:.0f} MB' for peak in peaks)}"
    )


def watch(process: subprocess.Popen[str]) -> tuple[float, list[int]]:
    """CPU seconds of a process and all it starts, and the most bytes each worker held; waits for its end.

    Workers are forked by a server that the process starts.
    """
    root = psutil.Process(process.pid)
    cpu_s: dict[int, float] = {}
    peak_bytes: dict[int, int] = defaultdict(int)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            servers = root.children()
            for one in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    cpu_s[one.pid] = times.user + times.system
                    if one.pid != root.pid and one not in servers:
                        peak_bytes[one.pid] = max(peak_bytes[one.pid], one.memory_info().rss)
        time.sleep(0.2)
    return sum(cpu_s.values()), list(peak_bytes.values())


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=24, help="architectures, spread over all families (default: 24)")
    parser.add_argument("--all", action="store_true", help="all of timm in place of a sample")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is taken (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads, for every counter (default: 1)")
    parser.add_argument("--whole", action="store_true", help="only time a whole run over all of timm")
    given = parser.parse_args(arguments)
    if given.whole:
        for size in ("default", "native"):
            walls = [say_whole(size) for _ in range(given.runs)]
            sys.stdout.write(f"inputs: [{size}]: median {statistics.median(walls):.1f} s\n")
        return
    torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    names = [f"timm/{name}" for name in architectures("timm")] if given.all else sample(given.sample)
    measure(["torchvision/resnet18"], runs=1)  # what torch does at its first use belongs to nobody
    times, failures = measure(names, given.runs)
    sys.stdout.write(
        f"{len(names)} architectures, median of {given.runs} runs, one process, {given.threads} thread(s), CPU seconds\n"
        f"{table(times)}\n{failed(failures)}\n"
    )


def sample(number: int) -> list[str]:
    """That many of the tests' architectures, spread over all families."""
    return [NAMES[i * len(NAMES) // number] for i in range(min(number, len(NAMES)))]


if __name__ == "__main__":
    main()
