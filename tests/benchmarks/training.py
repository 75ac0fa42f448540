"""A step of training as zoometer counts it, beside torch's own counter and profiler.

    python tests/benchmarks/training.py macs                MACs of both passes against FlopCounterMode: timm's families, torchvision
    python tests/benchmarks/training.py macs timm/resnet50  of these models
    python tests/benchmarks/training.py memory              peaks of each phase against torch.profiler on the CPU

`macs` says how many models agree exactly, names those that do not, and gives the ratio of CPU seconds. FlopCounterMode's formula for the
weight's gradient of a grouped convolution is corrected (`tests/support/training_references.py`); *as shipped* is without that.
`memory` prints the largest deviation of a phase and of the peak of a step.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import torch  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from models_for_tests import build, build_on_cpu  # noqa: E402
from training_references import STEPS, TIMM, TORCHVISION, count_both_passes_with_torch, peaks_on_cpu  # noqa: E402

from zoo.counting.count_model import count_model, meta_input  # noqa: E402
from zoo.recording.memo import Memo  # noqa: E402
from zoo.training.count_training import count_training  # noqa: E402

BATCH = 2


def write(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Compares what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["macs", "memory"])
    parser.add_argument("models", nargs="*", help="zoo/architecture")
    given = parser.parse_args()
    if given.what == "macs":
        compare_macs(given.models or [*TORCHVISION, *TIMM])
    else:
        compare_memory(given.models or STEPS)


def compare_macs(names: list[str]) -> None:
    """Both passes of each model."""
    memo, seconds, agreeing, as_shipped = Memo(), [0.0, 0.0, 0.0], 0, 0
    for name in names:
        built, inputs = build(name), [meta_input(build(name).shape, batch=BATCH)]
        times = [time.process_time()]
        count_model(built.model, inputs, memo)
        times.append(time.process_time())
        cost = count_training(built.model, inputs, memo)
        times.append(time.process_time())
        expected = count_both_passes_with_torch(build(name), batch=BATCH)
        times.append(time.process_time())
        seconds = [total + after - before for total, before, after in zip(seconds, times, times[1:], strict=False)]
        agreeing += (cost.forward.macs, cost.backward.macs) == expected
        as_shipped += cost.backward.macs == count_both_passes_with_torch(build(name), batch=BATCH, corrected=False)[1]
        if (cost.forward.macs, cost.backward.macs) != expected:
            write(f"{name}: {cost.forward.macs:,} and {cost.backward.macs:,}; torch {expected[0]:,} and {expected[1]:,}")
    write(f"{agreeing} of {len(names)} agree exactly; backward pass with FlopCounterMode as shipped: {as_shipped}")
    inference, training, torchs = seconds
    write(
        f"CPU seconds: inference {inference:.1f}, training {training:.1f} ({training / inference:.1f} times), "
        f"FlopCounterMode with its build {torchs:.1f} ({torchs / training:.1f} times training)"
    )


def compare_memory(names: list[str]) -> None:
    """Each phase of each model, with Adam."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    worst_phase = worst_peak = 0.0
    for name in names:
        built = build(name)
        cost = count_training(built.model, [meta_input(built.shape, batch=BATCH)])
        adam = cost.optimizers["adam"]
        counted = (cost.forward.peak_bytes, cost.backward.peak_bytes, cost.kept_bytes + adam.temporary_bytes)
        measured = peaks_on_cpu(build_on_cpu(name), batch=BATCH, optimizer="adam")
        phases = [abs(ours / theirs - 1) for ours, theirs in zip(counted, measured, strict=True)]
        peak = abs(max(counted) / max(measured) - 1)
        worst_phase, worst_peak = max(worst_phase, *phases), max(worst_peak, peak)
        write(f"{name}: {max(counted):,} bytes, measured {max(measured):,}: {peak:.5%}; worst phase {max(phases):.4%}")
    write(f"{len(names)} models: peak of a step within {worst_peak:.4%}, every phase within {worst_phase:.4%}")


if __name__ == "__main__":
    main()
