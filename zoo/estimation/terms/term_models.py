"""The term model of a device and run configuration."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.devices.device import Device
from zoo.devices.kinds import CPU_KINDS, GPU_KINDS
from zoo.errors import SpeedError
from zoo.estimation.terms.cpu_compiled_terms import CPU_COMPILED
from zoo.estimation.terms.cpu_eager_terms import CPU_EAGER
from zoo.estimation.terms.gpu_terms import GPU_COMPILED, GPU_EAGER
from zoo.estimation.terms.term import TermModel
from zoo.run_config import RunConfig

TERM_MODELS: Mapping[str, TermModel] = {model.name: model for model in (GPU_EAGER, GPU_COMPILED, CPU_EAGER, CPU_COMPILED)}


def term_model(device: Device, run: RunConfig) -> TermModel:
    """The terms of a device in one execution.

    Raises:
        SpeedError: if devices of this kind are not estimated from their data sheets.
    """
    family = "gpu" if device.kind in GPU_KINDS else "cpu" if device.kind in CPU_KINDS else None
    if family is None:
        raise SpeedError(f"devices of the kind {device.kind} are not estimated from their data sheets")
    return TERM_MODELS[f"{family}-{run.execution}"]
