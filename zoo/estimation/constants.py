"""The constants of the estimate: read from `constants.yaml` beside this module, which says what they were fitted on."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml

from zoo.documents.yaml_document import load_own_yaml
from zoo.estimation.arrays import Array


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants of one term model."""

    name: str  # of the term model, such as gpu-eager
    values: Mapping[str, float]  # by term; how many times as long as the data sheet says, or seconds
    half_widths: tuple[float, ...]  # of the interval that holds 90 % of log (measured over estimated), by hardness, easy first
    hardness: tuple[float, ...]  # the bounds between these: shares of time in hard work
    device_deviation: float  # of the factor between devices like those fitted on
    kinds: tuple[str, ...]  # the kinds of devices fitted on
    architectures: tuple[str, ...]  # theirs, where they are known
    fitted_on: tuple[str, ...]
    command: str
    needs_calibration: bool = False

    def of_terms(self, terms: Sequence[str]) -> Array:
        """In the order of the terms."""
        return np.array([self.values[term] for term in terms])

    def widths(self, hardness: Array) -> Array:
        """Half-widths of models by their hardness."""
        return np.array(self.half_widths)[np.searchsorted(np.array(self.hardness), hardness)]


@functools.cache
def shipped_constants() -> Mapping[str, Constants]:
    """Those that come with zoometer, by name."""
    return parse_constants(resources.files("zoo.estimation").joinpath("constants.yaml").read_text(encoding="utf-8"))


def parse_constants(text: str) -> Mapping[str, Constants]:
    """From YAML, as `zoometer validate-speed --write-constants` writes it."""
    content: Any = load_own_yaml(text)
    return {name: _parse_entry(name, entry) for name, entry in content.items()}


def _parse_entry(name: str, entry: Mapping[str, Any]) -> Constants:
    return Constants(
        name=name,
        values={term: float(value) for term, value in entry["values"].items()},
        half_widths=tuple(map(float, entry["half_widths"])),
        hardness=tuple(map(float, entry["hardness"])),
        device_deviation=float(entry["device_deviation"]),
        kinds=tuple(entry["kinds"]),
        architectures=tuple(entry.get("architectures", ())),
        fitted_on=tuple(entry["fitted_on"]),
        command=str(entry["command"]),
        needs_calibration=bool(entry.get("needs_calibration", False)),
    )


def dump_constants(constants: Sequence[Constants]) -> str:
    """As YAML, four digits to a number."""
    return yaml.safe_dump({one.name: _constants_record(one) for one in constants}, sort_keys=False, width=120)


def _constants_record(constants: Constants) -> dict[str, Any]:
    return {
        "values": {term: _four_digits(value) for term, value in constants.values.items()},
        "half_widths": [_four_digits(value) for value in constants.half_widths],
        "hardness": [_four_digits(value) for value in constants.hardness],
        "device_deviation": constants.device_deviation,
        "kinds": list(constants.kinds),
        "architectures": list(constants.architectures),
        "fitted_on": list(constants.fitted_on),
        "command": constants.command,
        "needs_calibration": constants.needs_calibration,
    }


def _four_digits(value: float) -> float:
    return float(f"{value:.4g}")
