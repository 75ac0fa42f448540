"""Validation: constants fitted to some measurements, tested on others.

Files of one kind of device and execution (such as GPUs eager, CPUs compiled) are validated together. Protocols, none of
which tests on a row that its constants or its calibration saw:

- data sheet only: fitted to the files of all other devices, tested on this one's;
- family held out: the same, with the tested model's family left out of the fit too, in five folds. Where no other device was
  measured, the fit is to the same device, and the name of the protocol says so;
- model held out, for these: fitted to the same device, the tested model left out in one of five random folds;
- ten: either of these, calibrated with ten random models of the tested file, tested on the rest; the median of many draws;
- GMACs alone: one factor, from ten random models.

Intervals come from the devices fitted to: the spread of models whose family was held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from zoo.devices.devices import Device
from zoo.estimation.calibration import regress
from zoo.estimation.constants import Constants, name_of
from zoo.estimation.estimate import QUANTILE, hardness, shares_of
from zoo.estimation.fitting import Sample, device_and_host, fit
from zoo.estimation.term_matrix import Prepared
from zoo.run_config import RunConfig
from zoo.validation.metrics import Agreement, agreement, median_of

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

FOLDS = 5
CALIBRATING = 10
DRAWS = 200
DEVICE_DEVIATION = 0.05
"""Standard deviation of the factor between devices of a kind that was fitted to. Two cards cannot tell; theirs were within 5 %."""
_PULL = {"cpu-eager": 0.2}
"""How strongly constants are pulled to their neutral values: weakly, but where few models were measured, and the neutral values come
from the times of single operators."""
_WEAK_PULL = 1e-3
_COVERAGE = 0.9
_REGIMES = 3


@dataclass(frozen=True)
class Measured:
    """One file of measurements, each joined with the model's workloads."""

    name: str
    device: Device
    run: RunConfig
    family: npt.NDArray[np.object_]
    model: npt.NDArray[np.object_]  # what to call each
    measured_s: Array  # of a step
    macs: Array  # of a step
    prepared: Prepared  # one model a measurement, in the same order

    @property
    def sample(self) -> Sample:
        """What the fit takes of it."""
        return Sample(self.prepared.model_terms(), self.prepared.host_s, self.measured_s)


@dataclass(frozen=True)
class Tested:
    """What one protocol gave on one file."""

    protocol: str
    agreement: Agreement
    log_ratios: Array | None = None  # log (estimated over measured) by model, where each has one estimate


@dataclass(frozen=True)
class Prediction:
    """Of the models of one file: nothing of their own measurements is in it."""

    log_step: Array
    half_width: Array  # of models among themselves, without that between devices
    shares: Array


def validate(files: Sequence[Measured], draws: int = DRAWS) -> list[list[Tested]]:
    """Every protocol on every file, in their order. The files are of one kind of device and execution."""
    fold = _folds(files)
    found = []
    for file in files:
        others = [other for other in files if other.device.id != file.device.id]
        tests = []
        if others:
            predicted = predict(file, fit_constants(others, fold))
            tests += _test("data sheet only", file, predicted, DEVICE_DEVIATION, draws)
        else:
            tests += _test("same device, model held out", file, _held_out(files, file, None), 0.0, draws)
        where = "other device, family held out" if others else "same device, family held out"
        tests += _test(where, file, _held_out(files, file, fold), DEVICE_DEVIATION if others else 0.0, draws)
        found.append([*tests, _macs_alone(file, draws)])
    return found


def fit_constants(files: Sequence[Measured], fold: dict[str, int] | None = None, command: str = "") -> Constants:
    """Constants of these files, with the widths of intervals from models whose family was held out."""
    fold = _folds(files) if fold is None else fold
    values = _fit(files)
    residuals, hard = [], []
    for number in range(FOLDS):
        kept = [np.array([fold[family] != number for family in file.family]) for file in files]
        constants = _fit(files, kept)
        for file, keep in zip(files, kept, strict=True):
            log_step = np.log(device_and_host(file.prepared.model_terms() @ constants, file.prepared.host_s))
            residuals.append((np.log(file.measured_s) - log_step)[~keep])
            hard.append(hardness(file.prepared, values)[~keep])
    widths, bounds = _widths(np.concatenate(residuals), np.concatenate(hard))
    kinds = sorted({file.device.kind for file in files})
    return Constants(
        name=_name(files[0]),
        values=dict(zip(files[0].prepared.table, values.tolist(), strict=True)),
        half_widths=widths,
        hardness=bounds,
        device_deviation=DEVICE_DEVIATION,
        kinds=tuple(kinds),
        fitted_on=tuple(f"{file.name}: {len(file.measured_s)} models" for file in files),
        command=command,
        needs_calibration=not files[0].device.kind.endswith("gpu"),
    )


def _name(file: Measured) -> str:
    return name_of(is_gpu=file.device.kind.endswith("gpu"), compiled=file.run.compiled)


def _folds(files: Sequence[Measured]) -> dict[str, int]:
    """A fold for each family, at random but the same each time."""
    return _random_folds({family for file in files for family in file.family})


def _random_folds(names: AbstractSet[str]) -> dict[str, int]:
    ordered = sorted(names)
    np.random.default_rng(1).shuffle(ordered)
    return {name: i % FOLDS for i, name in enumerate(ordered)}


def _fit(files: Sequence[Measured], kept: Sequence[Flags] | None = None) -> Array:
    samples = [file.sample if kept is None else file.sample.select(kept[i]) for i, file in enumerate(files)]
    neutral = np.array([term.neutral for term in files[0].prepared.table.values()])
    return fit(samples, neutral, np.full(len(neutral), _PULL.get(_name(files[0]), _WEAK_PULL)))


def _widths(residuals: Array, hard: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Half-widths that hold 90 % of the residuals about their median, by thirds of hardness, and the bounds of these."""
    bounds = np.quantile(hard, np.arange(1, _REGIMES) / _REGIMES)
    regime = np.searchsorted(bounds, hard)
    centred = np.abs(residuals - np.median(residuals))
    widths = [float(np.quantile(centred[regime == i], _COVERAGE)) for i in range(_REGIMES)]
    return tuple(widths), tuple(bounds.tolist())


def predict(file: Measured, constants: Constants) -> Prediction:
    """The times of a file's models by given constants."""
    values = constants.array(list(file.prepared.table))
    parts = np.stack([file.prepared.by_model(part) for part in file.prepared.parts(values).T], axis=1)
    step_s = device_and_host(parts.sum(axis=1), file.prepared.host_s)
    return Prediction(np.log(step_s), constants.widths(hardness(file.prepared, values)), shares_of(parts, step_s))


def _held_out(files: Sequence[Measured], file: Measured, fold: dict[str, int] | None) -> Prediction:
    """Each model by constants that saw neither its family nor, where there are others, its device.

    Without folds of families, the files are of one device, and only the model itself is held out.
    """
    others = [other for other in files if other.device.id != file.device.id] or list(files)
    names = {id(other): other.model if fold is None else other.family for other in (*others, file)}
    fold = fold or _random_folds({name for other in others for name in names[id(other)]})
    number = np.array([fold[name] for name in names[id(file)]])
    whole = fit_constants(others)
    found = predict(file, whole)
    for i in range(FOLDS):
        kept = [np.array([fold[name] != i for name in names[id(other)]]) for other in others]
        values = dict(zip(file.prepared.table, _fit(others, kept).tolist(), strict=True))
        part = predict(file, replace(whole, values=values))
        for name in ("log_step", "half_width", "shares"):
            getattr(found, name)[number == i] = getattr(part, name)[number == i]
    return found


def _test(name: str, file: Measured, predicted: Prediction, device_deviation: float, draws: int) -> list[Tested]:
    """A protocol as it is, and with ten calibrating models."""
    truth = np.log(file.measured_s)
    width = np.hypot(predicted.half_width, QUANTILE * device_deviation)
    alone = _agree(truth, predicted.log_step, width)
    found = []
    for chosen in _draws(len(truth), draws):
        coefficients, covariance = regress(predicted.shares[chosen], (truth - predicted.log_step)[chosen])
        design = np.column_stack([np.ones(len(truth)), predicted.shares])
        errors = np.sqrt(np.einsum("ij,jk,ik->i", design, covariance, design))
        log_step = predicted.log_step + design @ coefficients
        rest = ~chosen
        found.append(_agree(truth[rest], log_step[rest], np.hypot(predicted.half_width, QUANTILE * errors)[rest]))
    return [Tested(name, alone, predicted.log_step - truth), Tested(f"{name}, ten calibrating", median_of(found))]


def _macs_alone(file: Measured, draws: int) -> Tested:
    truth, log_macs = np.log(file.measured_s), np.log(file.macs)
    found = []
    for chosen in _draws(len(truth), draws):
        factor = np.median((truth - log_macs)[chosen])
        found.append(_agree(truth[~chosen], (log_macs + factor)[~chosen], None))
    return Tested("GMACs alone, ten calibrating", median_of(found))


def _draws(models: int, draws: int) -> list[Flags]:
    generator = np.random.default_rng(0)
    return [np.isin(np.arange(models), generator.choice(models, CALIBRATING, replace=False)) for _ in range(draws)]


def _agree(truth: Array, log_step: Array, width: Array | None) -> Agreement:
    """Throughput of a batch is what is compared: the time of one image."""
    if width is None:
        return agreement(np.exp(truth), np.exp(log_step))
    return agreement(np.exp(truth), np.exp(log_step), np.exp(log_step - width), np.exp(log_step + width))
