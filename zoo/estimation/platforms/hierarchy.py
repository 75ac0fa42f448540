"""Fits the constants of many settings at once, in a hierarchical model.

A setting is a run configuration on one device. Its times are sums of terms, each with a constant:

    log time(model, setting) = log sum over terms of exp(c(setting, term)) x(model, term)
    c(setting, term) = neutral(term) + sum over levels of d(level of the setting, term)

A level groups settings: all of them, those of a dtype, those of a device, each by itself. Its departures d have a normal prior of
mean 0, and are one number for each term, one for each part of the time (compute, memory, overhead), or one for all. The fit is
the mode of the posterior, by Gauss-Newton steps with Levenberg's damping; a large residual weighs little (Charbonnier's loss).
The departures of settings by themselves are eliminated first, so that a thousand settings are as quick as a hundred.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from zoo.estimation.arrays import Array, Flags, Indices

_SCALE = 0.1
"""Residual above which the loss grows linearly: about the noise of a published measurement."""
_MOST_STEPS = 80
_MOST_DAMPING = 1e8
_LEAST_GAIN = 1e-6
_LONGEST_STEP = 1.0


@dataclass(frozen=True)
class Level:
    """A grouping of settings, and the prior of the departures of its groups."""

    group: Indices  # of each setting, the group it belongs to
    basis: Array  # terms x numbers that a group has: which of them each term's constant gets
    deviation: Array  # prior standard deviation of each of these numbers

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1 if len(self.group) else 0


@dataclass(frozen=True)
class Data:
    """Measurements, with the amounts of their models."""

    amounts: Array  # measurements x terms, in seconds at nominal rates
    setting: Indices
    log_time: Array
    weight: Array

    def select(self, rows: Flags | Indices) -> Data:
        """These measurements only."""
        return Data(self.amounts[rows], self.setting[rows], self.log_time[rows], self.weight[rows])


class _Numbers(NamedTuple):
    """Departures: one vector for levels that span settings, and a row for each setting by itself."""

    shared: Array
    own: Array


@dataclass(frozen=True)
class Posterior:
    """The posterior of a fit: its mode, and its curvature there."""

    model: Hierarchy
    numbers: _Numbers
    _shared_covariance: Array = field(repr=False)
    _own_inverse: Array = field(repr=False)
    _coupling: Array = field(repr=False)  # by setting: own_inverse x the curvature between own and shared

    def log_constants(self) -> Array:
        """Settings x terms."""
        return self.model.log_constants(self.numbers, np.arange(self.model.settings))

    def covariance(self, setting: int) -> Array:
        """Covariance of the log constants of one setting, from the curvature at the mode: terms x terms."""
        shared, own = self.model.shared_design(setting), self.model.own.basis
        mixed = shared - own @ self._coupling[setting]
        covariance: Array = mixed @ self._shared_covariance @ mixed.T + own @ self._own_inverse[setting] @ own.T
        return covariance


@dataclass(frozen=True)
class Hierarchy:
    """A hierarchical model: the levels that span settings, and the level of each setting by itself."""

    neutral: Array  # of each term, the log constant that the departures start from
    shared: tuple[Level, ...]
    own: Level

    @property
    def settings(self) -> int:
        """Number of settings."""
        return len(self.own.group)

    def fit(self, data: Data, start: Posterior | None = None, most_steps: int = _MOST_STEPS) -> Posterior:
        """The mode of the posterior.

        Args:
            data: the measurements.
            start: result of a fit to similar data, from which fewer steps are needed.
            most_steps: number of steps after which the fit stops.
        """
        data = data.select(np.argsort(data.setting, kind="stable"))
        numbers = start.numbers if start else self._initial_numbers(data)
        loss, shares, residuals = self._loss(numbers, data)
        damping = 1e-3
        for _ in range(most_steps):
            curvature, slope = self._curvature(numbers, shares, residuals, data)
            while True:
                step = curvature.solve(slope, damping)
                tried = _Numbers(
                    *(old + np.clip(new, -_LONGEST_STEP, _LONGEST_STEP) for old, new in zip(numbers, step, strict=True))
                )
                new_loss, new_shares, new_residuals = self._loss(tried, data)
                if new_loss < loss or damping > _MOST_DAMPING:
                    break
                damping *= 4
            gain = loss - new_loss
            if gain <= 0:
                break
            numbers, loss, shares, residuals, damping = tried, new_loss, new_shares, new_residuals, damping / 4
            if gain < _LEAST_GAIN * loss:
                break
        curvature, _ = self._curvature(numbers, shares, residuals, data)
        return Posterior(self, numbers, *curvature.inverse())

    def log_constants(self, numbers: _Numbers, settings: Indices) -> Array:
        """Log constants of these settings: a row each."""
        constants = np.broadcast_to(self.neutral, (len(settings), len(self.neutral))) + numbers.own[settings] @ self.own.basis.T
        for level, part in zip(self.shared, self._shared_slices(), strict=True):
            constants = constants + numbers.shared[part].reshape(level.groups, -1)[level.group[settings]] @ level.basis.T
        return constants

    def shared_design(self, setting: int) -> Array:
        """Design matrix of one setting: terms x numbers of the levels that span settings."""
        design = np.zeros((len(self.neutral), self._shared_size()))
        for level, part in zip(self.shared, self._shared_slices(), strict=True):
            first = part.start + level.group[setting] * level.basis.shape[1]
            design[:, first : first + level.basis.shape[1]] = level.basis
        return design

    def _shared_slices(self) -> list[slice]:
        sizes = np.cumsum([0, *(level.groups * level.basis.shape[1] for level in self.shared)])
        return [slice(int(first), int(last)) for first, last in itertools.pairwise(sizes)]

    def _shared_size(self) -> int:
        return sum(level.groups * level.basis.shape[1] for level in self.shared)

    def _initial_numbers(self, data: Data) -> _Numbers:
        """No departures but the factor of each setting, if it has one: the median of its residuals."""
        own = np.zeros((self.settings, self.own.basis.shape[1]))
        numbers = _Numbers(np.zeros(self._shared_size()), own)
        _, _, residuals = self._loss(numbers, data)
        factor = np.flatnonzero((self.own.basis == 1).all(axis=0))
        if len(factor):
            for setting in np.unique(data.setting):
                own[setting, factor[0]] = np.median(residuals[data.setting == setting])
        return numbers

    def _loss(self, numbers: _Numbers, data: Data) -> tuple[float, Array, Array]:
        shares, log_time = log_sum(self.log_constants(numbers, data.setting), data.amounts)
        residuals = data.log_time - log_time
        misfit = (data.weight * (np.sqrt(1 + (residuals / _SCALE) ** 2) - 1)).sum()
        prior = (self._shared_precision() * numbers.shared**2).sum() + (self.own.deviation**-2.0 * numbers.own**2).sum()
        return float(misfit + prior / 2), shares, residuals

    def _shared_precision(self) -> Array:
        return np.concatenate([np.zeros(0), *(np.tile(level.deviation**-2.0, level.groups) for level in self.shared)])

    def _curvature(self, numbers: _Numbers, shares: Array, residuals: Array, data: Data) -> tuple[_Curvature, _Numbers]:
        """Curvature and negative gradient of the loss, over shared numbers and those of settings."""
        rows = np.arange(len(residuals))[:, None]
        design = np.zeros((len(residuals), self._shared_size()))
        for level, part in zip(self.shared, self._shared_slices(), strict=True):
            width = level.basis.shape[1]
            design[rows, part.start + level.group[data.setting][:, None] * width + np.arange(width)] = shares @ level.basis
        own_design = shares @ self.own.basis
        weight = data.weight / np.sqrt(1 + (residuals / _SCALE) ** 2) / _SCALE**2
        weighted, own_weighted = design * weight[:, None], own_design * weight[:, None]
        present, first = np.unique(data.setting, return_index=True)
        width = own_design.shape[1]
        own = np.tile(np.diag(self.own.deviation**-2.0), (self.settings, 1, 1))
        mixed, own_slope = np.zeros((self.settings, width, design.shape[1])), -(self.own.deviation**-2.0) * numbers.own
        for setting, rows_of in zip(present, np.split(np.arange(len(residuals)), first[1:]), strict=True):
            own[setting] += own_design[rows_of].T @ own_weighted[rows_of]
            mixed[setting] = own_design[rows_of].T @ weighted[rows_of]
            own_slope[setting] += own_weighted[rows_of].T @ residuals[rows_of]
        shared = weighted.T @ design + np.diag(self._shared_precision())
        slope = weighted.T @ residuals - self._shared_precision() * numbers.shared
        return _Curvature(shared, mixed, own), _Numbers(slope, own_slope)


class _Curvature(NamedTuple):
    """A symmetric matrix whose block for the settings is one block for each."""

    shared: Array
    mixed: Array  # settings x own numbers x shared numbers
    own: Array  # settings x own numbers x own numbers

    def solve(self, slope: _Numbers, damping: float) -> _Numbers:
        """The damped Newton step."""
        damped = _Curvature(_damped(self.shared, damping), self.mixed, self.own + damping * self.own * np.eye(self.own.shape[1]))
        inverse = np.linalg.inv(damped.own)
        coupling = inverse @ self.mixed
        reduced = damped.shared - np.einsum("ska,skb->ab", self.mixed, coupling, optimize=True)
        shared = np.linalg.solve(reduced, slope.shared - np.einsum("ska,sk->a", coupling, slope.own))
        return _Numbers(shared, np.einsum("skl,sl->sk", inverse, slope.own - self.mixed @ shared))

    def inverse(self) -> tuple[Array, Array, Array]:
        """Covariance of the shared numbers; by setting, the inverse of its own block, and that times the mixed one."""
        inverse = np.linalg.inv(self.own).astype(np.float64)
        coupling = inverse @ self.mixed
        shared = np.linalg.inv(self.shared - np.einsum("ska,skb->ab", self.mixed, coupling, optimize=True)).astype(np.float64)
        return shared, inverse, coupling


def _damped(matrix: Array, damping: float) -> Array:
    return matrix + np.diag(damping * np.diag(matrix))


def log_sum(log_constants: Array, amounts: Array) -> tuple[Array, Array]:
    """For each row, the shares of its terms in the sum of constants x amounts, and the logarithm of the sum."""
    largest = log_constants.max(axis=1, keepdims=True)
    parts = amounts * np.exp(log_constants - largest)
    whole = parts.sum(axis=1)
    return parts / whole[:, None], np.log(whole) + largest[:, 0]
