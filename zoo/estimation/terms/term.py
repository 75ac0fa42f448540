"""The terms of the sum that an estimate is.

    time of a call = sum over terms of constant x term

A term is the time of a call at the rates of the data sheet of a device. A constant is the ratio of the real time to it; constants of
fixed costs are in seconds. Sums fit measured times better than the maximum of the times for computing and for moving data: kernels
overlap them only partly.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.arrays import Array
from zoo.estimation.terms.calls import Calls


class TimePart(StrEnum):
    """Parts of the time of a step."""

    COMPUTE = "compute"
    MEMORY = "memory"
    OVERHEAD = "overhead"


class Term(NamedTuple):
    """One term for every row of workloads."""

    name: str
    part: TimePart
    neutral: float  # its constant before any measurement
    seconds: Array  # of one call


class TermModel(NamedTuple):
    """The terms of one family of devices in one execution."""

    name: str  # also of its constants
    is_compiled: bool
    terms: Callable[[Calls, DeviceSpec], list[Term]]
    host_s_per_call: float = 0.0
    """Seconds in which the host submits a call to the device; a step takes at least the sum over its calls."""
    pull: float = 1e-3
    """Weight of the penalty of a fit for departures of constants from their neutral values."""
