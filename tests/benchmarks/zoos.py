"""What of a zoo is counted, and how many of its published figures agree with the counts.

    python tests/benchmarks/zoos.py pytorchcv smp open_clip ultralytics transformers

Every architecture is counted at its native input in this process, without the network. A figure agrees where the count rounds to what
is printed. zoo/adapters/README.md states what this prints.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter

from zoo.adapters.registry import open_zoo
from zoo.adapters.testing import CountReport, check_figures, check_listing, count_architectures
from zoo.records import PublishedCost


def agrees(figure: float, printed: float, step: float) -> bool:
    """Whether a figure would be printed like this, with digits down to a step."""
    return abs(figure - printed) <= (0 if step == 1 else step / 2) + 1e-9


def compare(published: list[PublishedCost], report: CountReport, natives: dict[str, str]) -> Counter[str]:
    """The number of published figures of each kind, and of those that agree."""
    found: Counter[str] = Counter()
    for cost in published:
        counted = report.counted.get(cost.arch)
        if counted is None:
            continue
        if cost.params is not None:
            found["params"] += 1
            found["params that agree"] += agrees(counted.params, cost.params, cost.params_step)
        stated = cost.gflops if cost.gflops is not None else cost.gmacs
        if stated is not None and cost.input == natives[cost.arch]:
            amount = (counted.flops if cost.gflops is not None else counted.macs) / 1e9
            found["FLOPs"] += 1
            found["FLOPs that agree"] += agrees(amount, float(stated), 10.0**-cost.decimals)
            found["FLOPs within 3 %"] += abs(amount / stated - 1) <= 0.03
    return found


def main(names: list[str]) -> None:
    """Prints a paragraph for each zoo."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for name in names:
        zoo = open_zoo(name)
        architectures, problems = check_listing(zoo)
        problems += check_figures(zoo, architectures)
        report = count_architectures(zoo, architectures)
        weights = sum(len(a.weights) for a in architectures)
        statuses = Counter(cost.status.value for cost in report.counted.values())
        lines = [
            f"{name} {zoo.version()}: {len(architectures)} listed, {weights} weights, {len(report.counted)} counted {dict(statuses)}",
            f"  {len(report.uncountable)} called uncountable, {len(report.failed)} failed; {len(problems)} problems",
            f"  published: {dict(compare(list(zoo.published_costs()), report, {a.name: a.input for a in architectures}))}",
            f"  accuracy of {len({(row.arch, row.tag) for row in zoo.published_accuracy()})} weights",
            *(f"  failed: {arch}: {why}" for arch, why in report.failed.items()),
        ]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
