"""Validation: constants fitted to some measurements, tested on others.

Sets of one term model (such as gpu-eager) are validated together. No protocol tests on rows that its constants or its calibration were
fitted to:

- data sheet only: fitted to the sets of all other devices, tested on this one's;
- family held out: the same, with the tested model's family left out of the fit too, in five folds. Where no other device was
  measured, the fit is to the same device, and the name of the protocol says so;
- model held out, for these: fitted to the same device, the tested model left out in one of five random folds;
- ten calibrating: either of these, calibrated with ten random models of the tested set and tested on the rest; median of many draws;
- constants as shipped: the constants that come with zoometer, which may have been fitted to some of the sets;
- GMACs alone: one factor, from ten random models.

Intervals come from the devices fitted to: the spread of models whose family was held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from zoo.devices.kinds import GPU_KINDS
from zoo.estimation.arrays import Array, Flags
from zoo.estimation.calibration import Calibration, regress
from zoo.estimation.constants import Constants, shipped_constants
from zoo.estimation.estimate import QUANTILE, device_deviation, step_times
from zoo.estimation.fitting import fit
from zoo.validation.measured_sets import MeasuredSet
from zoo.validation.metrics import Agreement, agreement, median_of

FOLDS = 5
CALIBRATING = 10
DRAWS = 200
DEVICE_DEVIATION = 0.05
"""Standard deviation of the factor between devices of a kind that constants were fitted to: a judgement, because two cards are too few
to compute it; their factors were within 5 %."""
_COVERAGE = 0.9
_REGIMES = 3


@dataclass(frozen=True)
class ProtocolResult:
    """The result of one protocol on one set."""

    protocol: str
    agreement: Agreement
    log_ratios: Array | None = None  # log (estimated over measured) by model, where each has one estimate


@dataclass(frozen=True)
class Prediction:
    """Predicted times of the models of one set, independent of their own measurements."""

    log_step: Array
    half_width: Array  # by the spread between models, without the spread between devices
    shares: Array


def validate(sets: Sequence[MeasuredSet], draws: int = DRAWS) -> list[list[ProtocolResult]]:
    """Every protocol on every set, in their order. The sets are of one term model."""
    folds = _family_folds(sets)
    results = []
    for tested in sets:
        others = [other for other in sets if other.device.id != tested.device.id]
        if others:
            first, prediction = "data sheet only", predict(tested, fit_constants(others, folds))
        else:
            first, prediction = "same device, model held out", _held_out_prediction(sets, tested, None)
        deviation = DEVICE_DEVIATION if others else 0.0
        second = f"{'other' if others else 'same'} device, family held out"
        results.append(
            [
                *_test_protocol(first, tested, prediction, deviation, draws),
                *_test_protocol(second, tested, _held_out_prediction(sets, tested, folds), deviation, draws),
                as_shipped(tested),
                _test_macs(tested, draws),
            ]
        )
    return results


def as_shipped(tested: MeasuredSet) -> ProtocolResult:
    """The result with the constants that come with zoometer, which may have been fitted to this set."""
    constants = shipped_constants()[tested.matrix.term_model.name]
    prediction = predict(tested, constants)
    truth, deviation = np.log(tested.measured_s), device_deviation(constants, tested.device)
    result = _log_agreement(truth, prediction.log_step, np.hypot(prediction.half_width, QUANTILE * deviation))
    return ProtocolResult("constants as shipped", result, prediction.log_step - truth)


def fit_constants(sets: Sequence[MeasuredSet], folds: Mapping[str, int] | None = None, command: str = "") -> Constants:
    """Constants fitted to these sets, with the widths of intervals from models whose family was held out.

    Args:
        sets: of one term model.
        folds: number of the fold of each family.
        command: by which the constants are made.
    """
    folds = _family_folds(sets) if folds is None else folds
    values = _fit_values(sets)
    residuals, hardness = [], []
    for fold in range(FOLDS):
        inside = [_is_outside(fold, folds, one.family) for one in sets]
        constants = _fit_values(sets, inside)
        for one, keep in zip(sets, inside, strict=True):
            residuals.append((np.log(one.measured_s) - np.log(one.sample.predict(constants)))[~keep])
            hardness.append(step_times(one.matrix, values).hardness[~keep])
    widths, bounds = _widths(np.concatenate(residuals), np.concatenate(hardness))
    matrix = sets[0].matrix
    return Constants(
        name=matrix.term_model.name,
        values=dict(zip(matrix.names, values.tolist(), strict=True)),
        half_widths=widths,
        hardness=bounds,
        device_deviation=DEVICE_DEVIATION,
        kinds=tuple(sorted({one.device.kind for one in sets})),
        architectures=tuple(sorted({one.device.architecture for one in sets if one.device.architecture})),
        fitted_on=tuple(f"{one.name}: {len(one.measured_s)} models" for one in sets),
        command=command,
        needs_calibration=sets[0].device.kind not in GPU_KINDS,
    )


def _family_folds(sets: Sequence[MeasuredSet]) -> dict[str, int]:
    return _random_folds({family for one in sets for family in one.family})


def _random_folds(names: AbstractSet[str]) -> dict[str, int]:
    """A pseudo-random fold for each name, the same in each run."""
    ordered = sorted(names)
    np.random.default_rng(1).shuffle(ordered)
    return {name: i % FOLDS for i, name in enumerate(ordered)}


def _is_outside(fold: int, folds: Mapping[str, int], names: npt.NDArray[np.object_]) -> Flags:
    return np.array([folds[name] != fold for name in names])


def _fit_values(sets: Sequence[MeasuredSet], rows: Sequence[Flags] | None = None) -> Array:
    samples = [one.sample if rows is None else one.sample.select(rows[i]) for i, one in enumerate(sets)]
    matrix = sets[0].matrix
    return fit(samples, matrix.neutral, np.full(len(matrix.neutral), matrix.term_model.pull))


def _widths(residuals: Array, hardness: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Half-widths that contain 90 % of the residuals about their median, by thirds of hardness, and the bounds of the thirds."""
    bounds = np.quantile(hardness, np.arange(1, _REGIMES) / _REGIMES)
    regime = np.searchsorted(bounds, hardness)
    centred = np.abs(residuals - np.median(residuals))
    widths = [float(np.quantile(centred[regime == i], _COVERAGE)) for i in range(_REGIMES)]
    return tuple(widths), tuple(bounds.tolist())


def predict(tested: MeasuredSet, constants: Constants) -> Prediction:
    """The times of a set's models by given constants."""
    times = step_times(tested.matrix, constants.of_terms(tested.matrix.names))
    return Prediction(times.log_step, constants.widths(times.hardness), times.shares)


def _held_out_prediction(sets: Sequence[MeasuredSet], tested: MeasuredSet, family_folds: Mapping[str, int] | None) -> Prediction:
    """Predictions of each model by constants that were fitted without its family and, if there are other devices, without its device.

    Without folds of families, the sets are of one device, and only the model itself is held out.
    """

    def names_of(one: MeasuredSet) -> npt.NDArray[np.object_]:
        return one.model if family_folds is None else one.family

    others = [other for other in sets if other.device.id != tested.device.id] or list(sets)
    folds = family_folds or _random_folds({name for other in others for name in names_of(other)})
    whole = fit_constants(others)
    prediction = predict(tested, whole)
    for fold in range(FOLDS):
        values = _fit_values(others, [_is_outside(fold, folds, names_of(other)) for other in others])
        part = predict(tested, replace(whole, values=dict(zip(tested.matrix.names, values.tolist(), strict=True))))
        is_held_out = ~_is_outside(fold, folds, names_of(tested))
        for name in ("log_step", "half_width", "shares"):
            getattr(prediction, name)[is_held_out] = getattr(part, name)[is_held_out]
    return prediction


def _test_protocol(
    name: str, tested: MeasuredSet, prediction: Prediction, device_deviation: float, draws: int
) -> list[ProtocolResult]:
    """A protocol without a calibration, and with ten calibrating models."""
    truth, log_step, half_width = np.log(tested.measured_s), prediction.log_step, prediction.half_width
    alone = _log_agreement(truth, log_step, np.hypot(half_width, QUANTILE * device_deviation))
    calibrated = []
    for chosen in _draw_models(len(truth), draws):
        coefficients, covariance = regress(prediction.shares[chosen], (truth - log_step)[chosen])
        calibration = Calibration(tested.run, CALIBRATING, tuple(coefficients), tuple(map(tuple, covariance)))
        corrected = log_step + calibration.log_factors(prediction.shares)
        width = np.hypot(half_width, QUANTILE * calibration.errors(prediction.shares))
        calibrated.append(_log_agreement(truth[~chosen], corrected[~chosen], width[~chosen]))
    return [ProtocolResult(name, alone, log_step - truth), ProtocolResult(f"{name}, ten calibrating", median_of(calibrated))]


def _test_macs(tested: MeasuredSet, draws: int) -> ProtocolResult:
    truth, log_macs = np.log(tested.measured_s), np.log(tested.macs)
    agreements = []
    for chosen in _draw_models(len(truth), draws):
        factor = np.median((truth - log_macs)[chosen])
        agreements.append(agreement(np.exp(truth[~chosen]), np.exp((log_macs + factor)[~chosen])))
    return ProtocolResult("GMACs alone, ten calibrating", median_of(agreements))


def _draw_models(models: int, draws: int) -> list[Flags]:
    generator = np.random.default_rng(0)
    return [np.isin(np.arange(models), generator.choice(models, CALIBRATING, replace=False)) for _ in range(draws)]


def _log_agreement(truth: Array, log_step: Array, width: Array) -> Agreement:
    return agreement(np.exp(truth), np.exp(log_step), np.exp(log_step - width), np.exp(log_step + width))
