"""Rows of workloads as arrays."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.estimation.arrays import Array, Flags
from zoo.estimation.workloads.work import WORKS

WorkCodes: TypeAlias = npt.NDArray[np.int8]
"""Indices into `WORKS`; `FUSED` for a call that a compiler fuses into an earlier kernel."""

FUSED = len(WORKS)
_CODED = (*WORKS, "")


class Calls:
    """Columns of workloads as arrays, and the batch of each row."""

    def __init__(self, workloads: pd.DataFrame, batch: int | pd.Series[int] = 1, *, is_compiled: bool = False) -> None:
        self.batch: Array = np.broadcast_to(np.asarray(batch, dtype=np.float64), len(workloads))
        self.is_compiled = is_compiled
        self._workloads = workloads
        self._columns: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            self._columns[name] = self._workloads[name].to_numpy()
        return self._columns[name]

    @functools.cached_property
    def work(self) -> WorkCodes:
        """Work of each row when eager."""
        return pd.Categorical(self._workloads["work"], _CODED).codes

    @functools.cached_property
    def fused_work(self) -> WorkCodes:
        """Work of each row when compiled."""
        return pd.Categorical(self._workloads["fused_work"], _CODED).codes

    @functools.cached_property
    def _operations(self) -> pd.Categorical:
        return pd.Categorical(self._workloads["operation"])

    def is_work(self, *works: str) -> Flags:
        """Whether the work of a row is one of these."""
        return is_work(self.work, works)

    def is_operation(self, *operations: str) -> Flags:
        """Whether the operation of a row is one of these."""
        is_named = np.append(np.isin(self._operations.categories.astype(str), operations), False)  # the last one: missing
        flags: Flags = is_named[self._operations.codes]
        return flags

    def flops(self) -> Array:
        """FLOPs of the multiply-accumulates of one call of each row, for the whole batch."""
        amounts: Array = 2 * (self["macs"] * self.batch + self["free_macs"])
        return amounts

    def activation_bytes(self) -> Array:
        """Bytes that one call of each row reads and writes, without weights."""
        amounts: Array = (self["bytes_in"] + self["bytes_out"]) * self.batch
        return amounts

    def launches(self) -> Array:
        """Kernels started by one call of each row: none for a call that a compiler fuses into an earlier kernel."""
        return np.where(self.fused_work == FUSED, 0.0, 1.0) if self.is_compiled else np.ones(len(self.batch))


def is_work(codes: WorkCodes, works: Sequence[str]) -> Flags:
    """Whether codes are those of these works."""
    chosen: Flags = np.isin(_CODED, works)
    flags: Flags = chosen[codes]
    return flags
