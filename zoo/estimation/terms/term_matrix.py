"""The matrix of terms of workloads: a row for each term, a column for each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.arrays import Array
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.term import Term, TermModel, TimePart


@dataclass(frozen=True)
class TermMatrix:
    """The terms of every call, and the model that each call belongs to."""

    model_of: npt.NDArray[np.integer]  # of each row, the number of its model
    models: int  # how many there are
    calls: Calls
    term_model: TermModel
    terms: tuple[Term, ...]  # of one call of each row

    @classmethod
    def of(
        cls, workloads: pd.DataFrame, model: TermModel, spec: DeviceSpec, *, batch: int | pd.Series[int], key: Sequence[str]
    ) -> TermMatrix:
        """The terms of workloads.

        Args:
            workloads: rows of `zoo.estimation.workloads.workload.summarise` with the columns of `key`.
            model: the terms.
            spec: of the device.
            batch: one number, or one for each row of `workloads`.
            key: columns that together name a model.
        """
        model_of = workloads.groupby(list(key), sort=False, dropna=False, observed=True).ngroup().to_numpy()
        calls = Calls(workloads, batch, is_compiled=model.is_compiled)
        return cls(model_of, int(model_of.max(initial=-1)) + 1, calls, model, tuple(model.terms(calls, spec)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms."""
        return tuple(term.name for term in self.terms)

    @property
    def neutral(self) -> Array:
        """Constants before any measurement."""
        return np.array([term.neutral for term in self.terms])

    def by_model(self, values: Array) -> Array:
        """Sums over the calls of each model, in the order of the models' first calls; `values` are of one call of each row."""
        return np.bincount(self.model_of, values * self.calls["calls"], self.models).astype(np.float64)

    def model_seconds(self) -> Array:
        """Seconds of each term in each model, before constants: models x terms."""
        return np.stack([self.by_model(term.seconds) for term in self.terms], axis=1)

    def part_seconds(self, constants: Array) -> Array:
        """Seconds of one call of each row, by part: 3 x rows."""
        seconds = np.zeros((len(TimePart), len(self.model_of)))
        places = {part: place for place, part in enumerate(TimePart)}
        for term, constant in zip(self.terms, constants, strict=True):
            seconds[places[term.part]] += constant * term.seconds
        return seconds

    def host_s(self) -> Array:
        """Seconds in which the host submits the calls of each model to the device."""
        return self.by_model(self.term_model.host_s_per_call * self.calls.launches())
