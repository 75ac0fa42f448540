"""Workloads turned into the terms of an estimate, call by call and summed by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import Array, Calls, Term, make_calls
from zoo.estimation.terms import host_seconds, term_table, terms_of

PARTS = ("compute", "memory", "overhead")
"""Parts of the time, in the order of the columns of `Prepared.parts`."""


@dataclass(frozen=True)
class Prepared:
    """Workloads in the form that is summed."""

    keys: pd.DataFrame  # one row a model
    model: npt.NDArray[np.integer]  # of each call row, a row of `keys`
    calls: Calls
    terms: Array  # call rows x terms, of one call
    table: Mapping[str, Term]  # the terms' names, in the order of the columns
    host_s: Array  # by model

    def by_model(self, values: Array) -> Array:
        """Sums of a column for one call over all calls of each model."""
        return np.bincount(self.model, values * self.calls["calls"], len(self.keys)).astype(np.float64)

    def model_terms(self) -> Array:
        """Models x terms."""
        return np.stack([self.by_model(column) for column in self.terms.T], axis=1)

    def parts(self, constants: Array) -> Array:
        """Seconds of one call of each row, by part: call rows x 3."""
        seconds = self.terms * constants
        kinds = np.array([term.part for term in self.table.values()])
        return np.stack([seconds[:, kinds == part].sum(axis=1) for part in PARTS], axis=1)


def prepare(
    workloads: pd.DataFrame, sheet: Sheet, *, batch: int | pd.Series[int], compiled: bool, key: Sequence[str]
) -> Prepared:
    """The terms of every call.

    Args:
        workloads: rows of `zoo.estimation.workload.summarise` with the columns of `key`.
        sheet: of the device.
        batch: one number, or one for each row of `workloads`.
        compiled: whether the model runs through torch.compile.
        key: what names a model.
    """
    model = workloads.groupby(list(key), sort=False, dropna=False, observed=True).ngroup().to_numpy()
    keys = workloads[list(key)].drop_duplicates(ignore_index=True)
    calls = make_calls(workloads, batch, is_compiled=compiled)
    terms = np.stack(list(terms_of(calls, sheet).values()), axis=1)
    table = term_table(sheet, is_compiled=compiled)
    prepared = Prepared(keys, model, calls, terms, table, np.zeros(0))
    return Prepared(keys, model, calls, terms, table, prepared.by_model(host_seconds(calls, sheet)))
