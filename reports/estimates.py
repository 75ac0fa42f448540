"""Estimated speed of the rows of a leaderboard, from the operations that the cache holds of each model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from zoo.cache.store import Store
from zoo.traces import Mode

if TYPE_CHECKING:
    from reports.candidates import Estimator
    from reports.uses import Use

PRECISIONS = {"float32": ("fp32",), "amp": ("amp", "amp-fast-norm"), "float16": ("fp16",), "bfloat16": ("bf16",)}
"""Precisions of traces that a dtype is estimated from, the first one that the cache has; other dtypes are not estimated."""

_KEY = ["zoo", "arch", "input", "classes", "variant"]
_FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]


class Estimates:
    """What the cache knows of speed beside measurements: operations of models, and calibrations of devices."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def estimator(self, use: Use) -> Estimator:
        """Estimates rows of a leaderboard in one use; the work begins with the first call."""
        return functools.partial(self._estimate, use)

    def missing_modes(self, uses: Sequence[Use]) -> list[Mode]:
        """The traces that uses are estimated from and the cache has none of."""
        kept = self._store.traces(columns=["precision", "layout"]).drop_duplicates()
        known = set(zip(kept["precision"], kept["layout"], strict=True))
        wanted = [mode for use in uses if (mode := mode_of(use)) and self._precision(use, known) is None]
        return list(dict.fromkeys(wanted))

    def _estimate(self, use: Use, rows: pd.DataFrame) -> pd.DataFrame:
        from zoo.speed.estimate import estimate

        if mode_of(use) is None:
            return _refused(rows, f"not estimated: {use.dtype} is not supported")
        precision = self._precision(use)
        if precision is None:
            return _refused(rows, _not_traced(use))
        workloads = self._store.workloads(precision=precision, layout=use.layout)
        workloads = workloads.merge(rows[_KEY].drop_duplicates(), on=_KEY)
        found = estimate(
            workloads,
            use.device,
            batch=use.batch,
            precision=precision,
            layout=use.layout,
            compiled=use.compiled,
            calibration=self._calibration(use),
            key=tuple(_KEY),
        )
        joined = rows[_KEY].merge(found[[*_KEY, *_FIGURES, "latency_from"]], on=_KEY, how="left").set_axis(rows.index)
        return joined[[*_FIGURES, "latency_from"]].fillna({"latency_from": _not_traced(use)})

    def _precision(self, use: Use, known: set[tuple[str, str]] | None = None) -> str | None:
        """The precision of traces that the cache has for a use."""
        if known is None:
            kept = self._store.traces(columns=["precision", "layout"], layout=use.layout).drop_duplicates()
            known = set(zip(kept["precision"], kept["layout"], strict=True))
        return next((p for p in PRECISIONS.get(use.dtype, ()) if (p, use.layout) in known), None)


def mode_of(use: Use) -> Mode | None:
    """The trace that the speed of a use is estimated from; None where its dtype is not estimated."""
    precisions = PRECISIONS.get(use.dtype)
    return Mode(precisions[0], use.layout) if precisions else None


def _not_traced(use: Use) -> str:
    return f"not estimated: the cache has no trace {mode_of(use)} of it; zoometer run CONFIG --traces {mode_of(use)} makes them"


def _refused(rows: pd.DataFrame, why: str) -> pd.DataFrame:
    figures = {name: pd.array([pd.NA] * len(rows), dtype="Float64") for name in _FIGURES}
    return pd.DataFrame({**figures, "latency_from": pd.array([why] * len(rows), dtype="string")}, index=rows.index)
