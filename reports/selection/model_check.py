"""Checks one counted model against limits, and names the layers that cost most where a limit is exceeded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.columns.budget_columns import MEMORY, PEAK, WEIGHTS, WORKING
from reports.columns.limits import AnyLimit, Limit
from reports.selection.candidates import precision_note
from zoo.errors import InputError
from zoo.inputs import parse_input
from zoo.run_config import Precision

if TYPE_CHECKING:
    from zoo.api.count_by_name import Counted
    from zoo.counting.rows import OperationRow

_MOST_LAYERS = 5
_COUNTED = (Precision.FP32, Precision.FP16, Precision.BF16)
"""Precisions in which torch runs a model, so that its memory is counted rather than derived."""


@dataclass(frozen=True, slots=True)
class LayerShare:
    """A module's own part of a figure, without the modules in it."""

    module: str
    module_class: str
    value: float
    share: float  # of the whole model's figure; of a peak, the output of one operation


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """One limit and the model's figure."""

    limit: Limit
    value: float | None
    layers: tuple[LayerShare, ...] = ()  # with the largest shares, where the limit is exceeded

    @property
    def is_met(self) -> bool:
        """Whether the figure is known and within the limit."""
        return self.value is not None and self.value <= self.limit.bound


@dataclass(frozen=True)
class ModelCheck:
    """A model with its limits."""

    counted: Counted
    limits: tuple[LimitCheck, ...]
    note: str  # the assumption about memory; empty where it was counted

    @property
    def is_met(self) -> bool:
        """Whether every limit is met."""
        return all(check.is_met for check in self.limits)


def counted_precision(precision: Precision) -> Precision:
    """The precision in which a model is counted: fp32 where torch cannot run it in its own."""
    return precision if precision in _COUNTED else Precision.FP32


def check_model(counted: Counted, limits: Sequence[AnyLimit], precision: Precision) -> ModelCheck:
    """Compares a model with limits.

    Args:
        counted: the model, counted in `counted_precision(precision)`.
        limits: on parameters, MACs, activations and memory.
        precision: in which the model will run.
    """
    figures = _model_figures(counted, precision)
    checks = []
    for limit in limits:
        assert isinstance(limit, Limit)
        check = LimitCheck(limit, figures[limit.column.key])
        if check.value is not None and not check.is_met:
            check = replace(check, layers=_largest_layers(counted, limit.column.key, check.value, precision))
        checks.append(check)
    return ModelCheck(counted, tuple(checks), "" if precision in _COUNTED else precision_note(precision))


def _model_figures(counted: Counted, precision: Precision) -> dict[str, float | None]:
    """Figures by column; work is that of one image."""
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


def _largest_layers(counted: Counted, key: str, whole: float, precision: Precision) -> tuple[LayerShare, ...]:
    """The modules with the largest shares of a figure; of a peak, those with the largest single outputs."""
    if key in (PEAK.key, WORKING.key):
        sums = _sum_by_module(counted, lambda row: row.op.elements_out * precision.element_bytes, largest=True)
    elif key == "macs":
        sums = _sum_by_module(counted, lambda row: row.op.macs * row.calls / counted.batch)
    elif key == "activations":
        sums = _sum_by_module(counted, lambda row: row.op.elements_out * row.calls / counted.batch if row.op.macs else 0)
    else:
        sums = {
            module.path: module.params * (1 if key == "params" else precision.weight_bytes) for module in counted.cost.modules
        }
    classes = {module.path: module.module_class.rsplit(".", 1)[-1] for module in counted.cost.modules}
    most = sorted((path for path in sums if sums[path]), key=lambda path: -sums[path])[:_MOST_LAYERS]
    return tuple(LayerShare(path or "(the model itself)", classes.get(path, ""), sums[path], sums[path] / whole) for path in most)


def _sum_by_module(counted: Counted, figure: Callable[[OperationRow], float], *, largest: bool = False) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for row in counted.cost.rows:
        sums[row.module] = max(sums[row.module], figure(row)) if largest else sums[row.module] + figure(row)
    return sums
