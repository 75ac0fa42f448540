"""Speed of counting beside other counters: `python tests/benchmarks/counting.py --sample 24 --runs 3`.

All counters take turns at each architecture in one process, so that a busy moment of the machine meets all of them; times are
medians over the runs, summed over the architectures. *Build* is the time to make the model as a counter's user would: with numbers
on the CPU, or under `torch.device("meta")`. Counters that compute with numbers get small models only, and every ratio is over
the architectures that both counters managed. *Agree* counts totals within 1 % of torch's own counter.

*First pass* starts each run with an empty memo that the architectures share, as in a worker; *repeated* counts the same model again.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import torch  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from fvcore.nn import FlopCountAnalysis  # noqa: E402
from models_for_tests import NAMES, architectures  # noqa: E402
from ptflops import get_model_complexity_info  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from zoo.adapters.registry import open_zoo  # noqa: E402
from zoo.counting.build import build_on_meta  # noqa: E402
from zoo.counting.count import count_model, meta_input  # noqa: E402
from zoo.counting.recorder import Memo  # noqa: E402
from zoo.records import CostKey, parse_input  # noqa: E402

Shape = tuple[int, ...]
Build = Callable[[str], nn.Module]
Count = Callable[[nn.Module, Shape], int | None]

FIRST, REPEATED, BARE, TORCH = "zoometer, first pass", "zoometer, repeated", "bare forward on meta", "FlopCounterMode on meta"
SMALL_PARAMS, SMALL_INPUT = 40_000_000, 3 * 300 * 300
"""Limits of what is computed with numbers."""


class Counter(NamedTuple):
    """One way of counting: `builder` names how its model is made; the total is in MACs, None where it gives none."""

    name: str
    builder: str
    run: Count
    needs_numbers: bool = False


class Took(NamedTuple):
    """Seconds for one architecture in one run, and its total."""

    build_s: float
    count_s: float
    macs: int | None


Times = dict[str, dict[str, list[Took]]]
"""By counter and architecture, one entry a run."""


def construct(name: str) -> nn.Module:
    """The architecture as its library makes it."""
    library, _, arch = name.partition("/")
    zoo, described = open_zoo(library), architectures(library)[arch]
    return zoo.build(arch, zoo.build_options(CostKey(library, arch, described.input, described.classes))).eval()


def build_plainly(name: str) -> nn.Module:
    """Without numbers, as torch documents it."""
    with torch.device("meta"):
        return construct(name)


def build_quickly(name: str) -> nn.Module:
    """Without numbers, as zoometer does it."""
    return build_on_meta(lambda: construct(name), open_zoo(name.partition("/")[0]).initialisers())


BUILDERS: dict[str, Build] = {"zoometer": build_quickly, "meta": build_plainly, "cpu": construct}


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
    """Its default backend."""
    with torch.no_grad():
        macs, _ = get_model_complexity_info(model, shape, as_strings=False, print_per_layer_stat=False, backend="pytorch")
    return int(macs or 0)


def counters(memo: Memo) -> list[Counter]:
    """Those compared, in the order of their turns: a repeated pass follows the first."""
    return [
        Counter(FIRST, "zoometer", lambda model, shape: count_model(model, [meta_input(shape)], memo).macs),
        Counter(REPEATED, "zoometer", lambda model, shape: count_model(model, [meta_input(shape)], memo).macs),
        Counter("zoometer without memo", "zoometer", lambda model, shape: count_model(model, [meta_input(shape)]).macs),
        Counter(BARE, "meta", run_bare),
        Counter(TORCH, "meta", count_with_torch),
        Counter("fvcore on CPU", "cpu", count_with_fvcore, needs_numbers=True),
        Counter("ptflops on CPU", "cpu", count_with_ptflops, needs_numbers=True),
    ]


def measure(names: list[str], runs: int) -> Times:
    """Lets all counters take turns at every architecture, several times over."""
    times: Times = defaultdict(lambda: defaultdict(list))
    for _ in range(runs):
        memo = Memo()
        for name in names:
            library, _, arch = name.partition("/")
            shape = parse_input(architectures(library)[arch].input)
            measure_one(name, shape, counters(memo), times)
    return times


def measure_one(name: str, shape: Shape, compared: list[Counter], times: Times) -> None:
    """One architecture; each way of building is measured once and its model shared."""
    built: dict[str, tuple[nn.Module, float]] = {}
    for counter in compared:
        if counter.needs_numbers and not is_small(built["zoometer"][0], shape):
            continue
        try:
            if counter.builder not in built:
                started = time.perf_counter()
                model = BUILDERS[counter.builder](name)
                built[counter.builder] = model, time.perf_counter() - started
            model, build_s = built[counter.builder]
            started = time.perf_counter()
            macs = counter.run(model, shape)
            times[counter.name][name].append(Took(build_s, time.perf_counter() - started, macs))
        except Exception as error:  # noqa: BLE001  # whatever a counter cannot do is said, and the others go on
            sys.stderr.write(f"{counter.name} failed on {name}: {type(error).__name__}: {str(error)[:100]}\n")


def is_small(model: nn.Module, shape: Shape) -> bool:
    """Whether computing with numbers takes seconds, not minutes."""
    return sum(p.numel() for p in model.parameters()) <= SMALL_PARAMS and meta_input(shape).numel() <= SMALL_INPUT


def summed(times: Times, counter: str, names: list[str]) -> tuple[float, float]:
    """Seconds of building and of counting: the median of the runs, summed over these architectures."""
    of = times[counter]
    return tuple(sum(statistics.median(getattr(took, part) for took in of[n]) for n in names) for part in ("build_s", "count_s"))


def agreeing(times: Times, counter: str) -> str:
    """How many of a counter's totals are within 1 % of torch's."""
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
        ran = [name for name in own if name in times[BARE]]
        bare = summed(times, counter, ran)[1] / summed(times, BARE, ran)[1]
        lines.append(
            f"{counter:26}{len(own):8}{build_s:10.2f}{count_s:10.2f}{own_count / first_count:15.2f}"
            f"{(own_build + own_count) / (first_build + first_count):15.2f}{bare:14.2f}{agreeing(times, counter):>12}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=24, help="architectures, spread over all families (default: 24)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is taken (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads, for every counter (default: 1)")
    given = parser.parse_args(arguments)
    names = [NAMES[i * len(NAMES) // given.sample] for i in range(min(given.sample, len(NAMES)))]
    torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    measure(["torchvision/resnet18"], runs=1)  # what torch does at its first use belongs to nobody
    times = measure(names, given.runs)
    sys.stdout.write(
        f"{len(names)} architectures, median of {given.runs} runs, one process, {given.threads} thread(s)\n{table(times)}\n"
    )


if __name__ == "__main__":
    main()
