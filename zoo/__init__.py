"""Facts about vision models: what exists, what it costs, how good it is.

    import zoo
    cost = zoo.count(model, (3, 224, 224))
    cost.macs, cost.flops, cost.params, cost.activations, cost.peak_activation_bytes, cost.status

    trace = zoo.trace(model, (3, 224, 224), precision="amp", layout="nhwc")

Importing this package imports no torch; the first use of `count`, `trace` or `formula` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.api.count_module import count, formula, parameters, trace
    from zoo.counting.cost import Cost
    from zoo.traces import Trace
    from zoo.training.training_cost import TrainingCost

__all__ = ["Cost", "Trace", "TrainingCost", "count", "formula", "parameters", "trace"]

_HOMES = {
    **dict.fromkeys(["count", "formula", "parameters", "trace"], "zoo.api.count_module"),
    "Cost": "zoo.counting.cost",
    "Trace": "zoo.traces",
    "TrainingCost": "zoo.training.training_cost",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
