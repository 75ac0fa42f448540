"""Decisions and pages: which model to pick, how a few compare, and the reports of a configuration.

    import reports
    choice = reports.select(params="5M", macs="0.6GMACs", accuracy="75%")
    choice.pick, choice.frontier, choice.reasons
    choice.plot()
    reports.compare("timm/resnet50", "torchvision/swin_t").to_frame()
    reports.run("configs/edge.yaml").files

A notebook shows each result as a table. Importing this package imports nothing heavy; the first call does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.api.calls import compare, read_leaderboard, report, run, select
    from reports.api.results import Choice, ComparedModels, Outcome

__all__ = ["Choice", "ComparedModels", "Outcome", "compare", "read_leaderboard", "report", "run", "select"]

_HOMES = {
    **dict.fromkeys(["compare", "read_leaderboard", "report", "run", "select"], "reports.api.calls"),
    **dict.fromkeys(["Choice", "ComparedModels", "Outcome"], "reports.api.results"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
