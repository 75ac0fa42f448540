"""What an estimate is a sum of.

    time of a call = sum over terms of constant x term

A term is what a call needs of the device, in seconds at the rates of its data sheet. A constant is how many times as long as that it
takes; constants of fixed costs are in seconds. Sums fit measured times better than the maximum of computing and moving data: kernels
overlap the two only in part.
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
    """In which the host hands a call to the device; a step takes at least as long as that of all its calls."""
    pull: float = 1e-3
    """How strongly a fit pulls constants to their neutral values."""
