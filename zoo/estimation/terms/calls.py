"""Rows of workloads as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.estimation.arrays import Array, Flags
from zoo.estimation.workloads.work import WORKS

WorkCodes: TypeAlias = npt.NDArray[np.int8]
"""Indices into `WORKS`; `FUSED` for a call that joins an earlier kernel."""

FUSED = len(WORKS)
_CODED = (*WORKS, "")

_EAGER = """calls operation elements_out macs free_macs bytes_in bytes_out free_bytes m n k products groups group_width kernel
    is_channels_last is_transposed has_bias planes steps model_weight_bytes""".split()
_FUSED = ["fused_bytes_in", "fused_bytes_out", "fused_free_bytes", "fused_is_transposed"]


@dataclass(frozen=True)
class Calls:
    """Columns of workloads as arrays, and the batch of each row."""

    columns: Mapping[str, npt.NDArray[Any]]
    work: WorkCodes
    fused_work: WorkCodes  # that of `work` where nothing is compiled
    batch: Array
    is_compiled: bool
    is_float32: Flags  # computes in it

    @classmethod
    def of(cls, workloads: pd.DataFrame, batch: int | pd.Series[int], *, is_compiled: bool) -> Calls:
        """The columns that terms use."""
        columns = {name: workloads[name].to_numpy() for name in (*_EAGER, *(_FUSED if is_compiled else ()))}
        works = ("work", "fused_work" if is_compiled else "work")
        work, fused_work = (pd.Categorical(workloads[name], _CODED).codes for name in works)
        batches: Array = np.broadcast_to(np.asarray(batch, dtype=np.float64), len(workloads))
        is_float32 = (workloads["dtype"] == "float32").to_numpy(bool)
        return cls(columns, work, fused_work, batches, is_compiled, is_float32)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def is_work(self, *works: str) -> Flags:
        """Whether a row's work is one of these."""
        return is_work(self.work, works)

    def flops(self) -> Array:
        """Of multiply-accumulates."""
        amounts: Array = 2 * (self["macs"] * self.batch + self["free_macs"])
        return amounts

    def activation_bytes(self) -> Array:
        """Read and written, weights left out."""
        amounts: Array = (self["bytes_in"] + self["bytes_out"]) * self.batch
        return amounts

    def launches(self) -> Array:
        """Kernels started: none for a call that a compiler fuses into an earlier one."""
        return np.where(self.fused_work == FUSED, 0.0, 1.0) if self.is_compiled else np.ones(len(self.batch))


def is_work(codes: WorkCodes, works: Sequence[str]) -> Flags:
    """Whether codes are those of some works."""
    chosen: Flags = np.isin(_CODED, works)
    flags: Flags = chosen[codes]
    return flags
