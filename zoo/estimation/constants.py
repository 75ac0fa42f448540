"""The constants of estimates, in `constants.yaml` beside this module, which also names the measurements they were fitted to."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml

from zoo.documents.yaml_document import load_own_yaml
from zoo.estimation.arrays import Array, rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The constants of one term model."""

    name: str  # of the term model, such as gpu-eager
    values: Mapping[str, float]  # by term: factors of the time by the data sheet, or seconds
    half_widths: tuple[float, ...]  # of the interval that holds 90 % of log (measured over estimated), by hardness, easy first
    hardness: tuple[float, ...]  # the bounds between these: shares of time in hard work
    device_deviation: float  # of the factor between devices like those fitted on
    kinds: tuple[str, ...]  # the kinds of devices fitted on
    architectures: tuple[str, ...] = ()  # of these devices, where known
    fitted_on: tuple[str, ...]
    command: str
    needs_calibration: bool = False

    def of_terms(self, terms: Sequence[str]) -> Array:
        """The values in the order of these terms."""
        return np.array([self.values[term] for term in terms])

    def widths(self, hardness: Array) -> Array:
        """Half-widths of models by their hardness."""
        return np.array(self.half_widths)[np.searchsorted(np.array(self.hardness), hardness)]


@functools.cache
def shipped_constants() -> Mapping[str, Constants]:
    """The constants that come with zoometer, by name."""
    return parse_constants(resources.files("zoo.estimation").joinpath("constants.yaml").read_text(encoding="utf-8"))


def parse_constants(text: str) -> Mapping[str, Constants]:
    """The constants in YAML as `zoometer validate-speed --write-constants` writes it."""
    content: dict[str, dict[str, Any]] = load_own_yaml(text)
    for entry in content.values():
        entry.update({key: tuple(value) for key, value in entry.items() if isinstance(value, list)})
    return {name: Constants(name=name, **entry) for name, entry in content.items()}


def dump_constants(constants: Sequence[Constants]) -> str:
    """Constants as YAML, numbers with four digits."""
    records = {(record := asdict(one)).pop("name"): rounded(record, 4) for one in constants}
    return yaml.safe_dump(records, sort_keys=False, width=120)
