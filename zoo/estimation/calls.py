"""Rows of workloads as arrays, and what a term of an estimate is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.estimation.workload import WORKS

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum."""

    part: str  # of the time it belongs to: compute, memory or overhead
    neutral: float  # its constant before any measurement


@dataclass(frozen=True)
class Calls:
    """Columns of workloads as arrays, and the batch of each row."""

    columns: Mapping[str, npt.NDArray[Any]]
    work: npt.NDArray[np.int8]  # indices into `WORKS`
    fused_work: npt.NDArray[np.int8]  # `JOINED` for a call that joins another
    batch: Array
    is_compiled: bool
    is_float32: Flags  # computes in it

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def is_any(self, *works: str) -> Flags:
        """Whether a row's work is one of these."""
        return is_any(self.work, works)


JOINED = len(WORKS)
"""Index of the work of a call that is joined with an earlier one."""
_CODED = (*WORKS, "")


def is_any(work: npt.NDArray[np.int8], works: Sequence[str]) -> Flags:
    """Whether indices into `WORKS` are those of some works."""
    chosen: Flags = np.isin(_CODED, works)
    found: Flags = chosen[work]
    return found


def make_calls(workloads: pd.DataFrame, batch: int | pd.Series[int], *, is_compiled: bool) -> Calls:
    """The columns that terms use."""
    columns = {name: workloads[name].to_numpy() for name in _USED}
    work, fused_work = (pd.Categorical(workloads[name], _CODED).codes for name in ("work", "fused_work"))
    batches: Array = np.broadcast_to(np.asarray(batch, dtype=np.float64), len(workloads))
    is_float32 = (workloads["dtype"] == "float32").to_numpy(bool)
    return Calls(columns, work, fused_work, batches, is_compiled, is_float32)


_USED = """calls operation elements_out macs free_macs bytes_in bytes_out free_bytes m n k products groups group_width kernel is_channels_last
    is_transposed has_bias planes steps fused_bytes_in fused_bytes_out fused_free_bytes fused_is_transposed model_weight_bytes""".split()
