"""One counted model held against limits, with the layers that cost most where a limit is broken."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.columns.budget_columns import MEMORY, PEAK, WEIGHTS, WORKING
from reports.columns.limits import AnyLimit, Limit
from zoo.errors import InputError
from zoo.inputs import parse_input
from zoo.run_config import Precision

if TYPE_CHECKING:
    from zoo.api.named import Counted
    from zoo.counting.cost import OperationRow

MOST_LAYERS = 5
_COUNTED = (Precision.FP32, Precision.FP16, Precision.BF16)
"""Precisions that torch runs a network in."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A module and what it has of a figure by itself, without the modules in it."""

    module: str
    module_class: str
    value: float
    share: float  # of the whole model's figure; of the peak, for the output of one operation


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit and what the model has of it."""

    limit: Limit
    value: float | None
    layers: tuple[Layer, ...] = ()  # the ones with most of it, where the limit is broken

    @property
    def is_kept(self) -> bool:
        """Whether the figure is known and within the limit."""
        return self.value is not None and self.value <= self.limit.bound


def counted_precision(precision: Precision) -> Precision:
    """The precision to count in: the one asked for, or fp32 where torch cannot run a network in it."""
    return precision if precision in _COUNTED else Precision.FP32


def precision_note(precision: Precision) -> str:
    """What is assumed of memory in this precision; nothing where it was counted."""
    if precision in _COUNTED:
        return ""
    if precision.is_autocast:
        return "Memory under autocast is that counted in float32: an upper bound, because many activations are float16."
    return f"Memory in {precision.dtype} is that counted in float32 times {precision.memory_share}: it assumes that every tensor is quantised."


def hold_against(counted: Counted, limits: Sequence[AnyLimit], precision: Precision) -> list[Finding]:
    """What the model has of each limit, in the limits' order.

    Args:
        counted: the model, counted in `counted_precision(precision)`.
        limits: on parameters, MACs, activations and memory.
        precision: the one it will be used in.
    """
    figures = _figures(counted, precision)
    findings = []
    for limit in limits:
        assert isinstance(limit, Limit)
        value = figures[limit.column.key]
        finding = Finding(limit, value)
        if value is not None and not finding.is_kept:
            finding = Finding(limit, value, _layers(counted, limit.column.key, value, precision))
        findings.append(finding)
    return findings


def _figures(counted: Counted, precision: Precision) -> dict[str, float | None]:
    """Figures by column; those of the work are of one image, as everywhere else."""
    cost, counted_in, item_bytes = counted.cost, counted_precision(precision), precision.element_bytes
    peak = cost.peak_activation_bytes * item_bytes / counted_in.element_bytes
    weights = cost.weight_bytes * precision.weight_bytes / counted_in.weight_bytes
    try:
        working: float | None = peak + math.prod(parse_input(counted.input)) * item_bytes * counted.batch
    except InputError:
        working = None
    return {
        "params": cost.params,
        "macs": cost.macs / counted.batch,
        "activations": cost.activations / counted.batch,
        PEAK.key: peak,
        WEIGHTS.key: weights,
        WORKING.key: working,
        MEMORY.key: None if working is None else working + weights,
    }


def _layers(counted: Counted, key: str, whole: float, precision: Precision) -> tuple[Layer, ...]:
    """The modules with most of a figure. Of a peak, those with the largest single outputs."""
    if key in (PEAK.key, WORKING.key):
        sums = _by_module(counted, lambda row: row.facts.elements_out * precision.element_bytes, largest=True)
    elif key == "macs":
        sums = _by_module(counted, lambda row: row.facts.macs * row.calls / counted.batch)
    elif key == "activations":
        sums = _by_module(counted, lambda row: row.facts.elements_out * row.calls / counted.batch if row.facts.macs else 0)
    else:
        sums = {
            module.path: module.params * (1 if key == "params" else precision.weight_bytes) for module in counted.cost.modules
        }
    classes = {module.path: module.module_class.rsplit(".", 1)[-1] for module in counted.cost.modules}
    most = sorted((path for path in sums if sums[path]), key=lambda path: -sums[path])[:MOST_LAYERS]
    return tuple(Layer(path or "(the model itself)", classes.get(path, ""), sums[path], sums[path] / whole) for path in most)


def _by_module(counted: Counted, figure: Callable[[OperationRow], float], *, largest: bool = False) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for row in counted.cost.rows:
        sums[row.module] = max(sums[row.module], figure(row)) if largest else sums[row.module] + figure(row)
    return sums
