"""Platforms as `platforms.yaml` declares them: their terms, and the levels that settings share constants on."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.documents.yaml_document import load_own_yaml
from zoo.estimation.arrays import Array
from zoo.estimation.platforms.hierarchy import Hierarchy, Level

SETTING = ["device", "runtime", "processor", "threads", "cores", "dtype", "batch"]
"""Columns of published measurements that together name how models run on a device."""

_ONE = "one"
"""Stands for a feature: the fixed time of each pass."""


@dataclass(frozen=True, slots=True)
class PlatformTerm:
    """One term of the sum that a time is."""

    name: str
    part: str
    takes: Mapping[str, float]  # seconds for a unit of each feature, at a nominal rate
    is_main: bool


@dataclass(frozen=True, slots=True)
class LevelPrior:
    """Columns by which settings are grouped, and prior standard deviations of the departures of a group; None: no departures."""

    of: tuple[str, ...]
    main: float | None = None
    beyond: float | None = None
    part: float | None = None
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class RelativesPrior:
    """Prior of the prediction for devices without measurements."""

    trends: Mapping[str, tuple[float, float]]  # of the log time by a number: mean and deviation of the slope
    alike: Mapping[str, tuple[float, str | None, float]]  # by label: deviation, and the number and distance over which it fades
    alone: float


@dataclass(frozen=True)
class Platform:
    """Run configurations whose published times are fitted together."""

    name: str
    title: str
    source: str
    processor: str
    dtypes: tuple[str, ...]
    unlike: tuple[str, ...]  # zoo/arch of architectures that only share the name with measured models
    chips: tuple[str, ...]  # globs of chips, or of ids of devices, that it runs on
    is_rate: bool  # published are images per second of a stream, not the time of one image
    terms: tuple[PlatformTerm, ...]
    neutral: float  # log constant of terms beyond the main ones, before any measurement
    levels: tuple[LevelPrior, ...]
    own: LevelPrior
    evidence: float  # largest total weight of the measurements of one model
    relatives: RelativesPrior

    def runs_on(self, device: Device) -> bool:
        """Whether the platform covers a device."""
        name = device.chip or device.id
        return any(fnmatch.fnmatchcase(name, chip) for chip in self.chips)

    def amounts(self, features: pd.DataFrame) -> Array:
        """Seconds that each term takes of each model at nominal rates: models x terms."""
        with_one = features.assign(**{_ONE: 1.0})
        seconds: Array = np.stack(
            [sum(with_one[name].to_numpy() * cost for name, cost in term.takes.items()) for term in self.terms], axis=1
        )
        return seconds

    def hierarchy(self, settings: pd.DataFrame) -> Hierarchy:
        """The levels of these settings: rows with the columns of `SETTING`."""
        shared = tuple(self._make_level(prior, _group_numbers(settings, prior.of)) for prior in self.levels)
        own = self._make_level(self.own, np.arange(len(settings)))
        neutral = np.array([0.0 if term.is_main else self.neutral for term in self.terms])
        return Hierarchy(neutral, shared, own)

    def device_level(self, factor: float) -> Level:
        """The departures of a setting on a new device from its prediction: a factor, and those of devices and settings.

        Args:
            factor: prior standard deviation of the factor for all terms.
        """
        priors = [*(prior for prior in self.levels if "device" in prior.of), self.own]
        widest = {
            name: max((value for prior in priors if (value := getattr(prior, name)) is not None), default=None)
            for name in ("main", "beyond", "part")
        }
        return self._make_level(LevelPrior(("device",), factor=factor, **widest), np.zeros(1, dtype=np.intp))

    def _make_level(self, prior: LevelPrior, group: Any) -> Level:
        bases, deviations = [], []
        if prior.factor is not None:
            bases.append(np.ones((len(self.terms), 1)))
            deviations.append(np.array([prior.factor]))
        if prior.part is not None:
            parts = sorted({term.part for term in self.terms})
            bases.append(np.array([[float(term.part == part) for part in parts] for term in self.terms]))
            deviations.append(np.full(bases[-1].shape[1], prior.part))
        of_terms = np.array([prior.main if term.is_main else prior.beyond for term in self.terms], dtype=float)
        if prior.main is not None:
            bases.append(np.eye(len(self.terms))[:, ~np.isnan(of_terms)])
            deviations.append(of_terms[~np.isnan(of_terms)])
        return Level(group, np.hstack(bases), np.concatenate(deviations))


def _group_numbers(settings: pd.DataFrame, names: Sequence[str]) -> Any:
    if not names:
        return np.zeros(len(settings), dtype=np.intp)
    return settings.groupby(list(names), sort=True, dropna=False).ngroup().to_numpy(np.intp)


@functools.cache
def platforms() -> Mapping[str, Platform]:
    """The platforms in `platforms.yaml`, by name."""
    text = resources.files("zoo.estimation.platforms").joinpath("platforms.yaml").read_text(encoding="utf-8")
    return {name: _parse_platform(name, entry) for name, entry in load_own_yaml(text).items()}


def _parse_platform(name: str, entry: Mapping[str, Any]) -> Platform:
    measured, relatives = entry["measured"], entry["relatives"]
    return Platform(
        name=name,
        title=entry["title"],
        source=measured["source"],
        processor=measured["processor"],
        dtypes=tuple(measured["dtypes"]),
        unlike=tuple(measured.get("unlike", ())),
        chips=tuple(measured.get("chips", ("*",))),
        is_rate=bool(measured.get("rates", False)),
        terms=tuple(
            PlatformTerm(term, spec["part"], dict(spec["takes"]), not spec.get("beyond", False))
            for term, spec in entry["terms"].items()
        ),
        neutral=float(entry["neutral"]),
        levels=tuple(LevelPrior(tuple(level.pop("of")), **level) for level in map(dict, entry["levels"])),
        own=LevelPrior(("setting",), **entry["own"]),
        evidence=float(entry["evidence"]),
        relatives=RelativesPrior(
            {number: (float(mean), float(deviation)) for number, (mean, deviation) in relatives["trends"].items()},
            {label: _parse_similarity(spec) for label, spec in relatives["alike"].items()},
            float(relatives["alone"]),
        ),
    )


def _parse_similarity(spec: Sequence[Any]) -> tuple[float, str | None, float]:
    return (float(spec[0]), str(spec[1]), float(spec[2])) if len(spec) > 1 else (float(spec[0]), None, 1.0)
