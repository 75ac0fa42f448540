"""What estimates of speed are made from on a device, and why there may be none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from zoo.devices.kinds import CPU_KINDS, GPU_KINDS
from zoo.run_config import STATED, TORCH, TRACED, Precision, RunConfig
from zoo.validation.calibration_store import load_calibration

if TYPE_CHECKING:
    from zoo.cache.store import Store
    from zoo.devices.device import Device

_NOT_TRACED = "no estimate: models are not traced in this precision"


class EstimateBasis(NamedTuple):
    """What the estimates on a device in one run configuration are made from."""

    is_published: bool
    """Whether from published speeds of the device and those like it, rather than from its data sheet or a calibration."""
    refusal: str | None
    """Why no model has an estimate; None where there are estimates."""


def find_basis(device: Device, run: RunConfig, store: Store) -> EstimateBasis:
    """What estimates are made from; the store is a cache that may have a calibration of the device."""
    refusal = data_sheet_refusal(device, run, store)
    if refusal or run.is_on_platform:
        return EstimateBasis(True, _platform_refusal(device, run, refusal))
    return EstimateBasis(False, None)


def data_sheet_refusal(device: Device, run: RunConfig, store: Store) -> str | None:
    """Why there is no estimate from the device's data sheet or a calibration; None where there is one."""
    from zoo.estimation.estimate import why_no_estimate

    return why_no_estimate(device, run, load_calibration(store, run)) if run.precision in TRACED else _NOT_TRACED


def _platform_refusal(device: Device, run: RunConfig, refusal: str | None = None) -> str | None:
    """Why there is no estimate from published speeds; None where there is one.

    Args:
        device: where the model runs.
        run: how it runs there.
        refusal: why there is none from a data sheet, which says more where torch runs models.
    """
    from zoo.estimation.platforms.fleet import why_not
    from zoo.estimation.platforms.settings import has_platform_runs

    if has_platform_runs(device, run):
        return None
    if device.kind in GPU_KINDS and refusal is None and not run.is_by_torch:
        return f"no estimate: on {device.id} models are estimated in {TORCH}, not in {run.runtime} (--runtime {TORCH})"
    is_for_torch = device.kind in GPU_KINDS or (device.kind in CPU_KINDS and run.runtime is not None and run.is_by_torch)
    return refusal if refusal and is_for_torch else f"no estimate: {why_not(device, run)}"


def is_without_relatives(device: Device, run: RunConfig) -> bool:
    """Whether an estimate is missing because neither the device nor one like it has published speeds."""
    return device.kind not in GPU_KINDS and _platform_refusal(device, run) is not None


def estimated_precisions(device: Device, run: RunConfig) -> list[Precision]:
    """The precisions in which models have estimates on a device, with everything else as in `run`."""
    from zoo.estimation.estimate import why_no_estimate

    runs = [replace(run, precision=precision) for precision in STATED]
    return [
        one.precision
        for one in runs
        if (one.precision in TRACED and not one.is_on_platform and why_no_estimate(device, one) is None)
        or _platform_refusal(device, one) is None
    ]


def needed_trace(device: Device, run: RunConfig) -> RunConfig:
    """The mode of the traces that estimates are made from: on phones, boards and accelerators float32 whatever the precision."""
    from zoo.estimation.platforms.features import TRACED as ON_PLATFORMS

    is_traced_as_run = run.precision in TRACED and device.kind in (*GPU_KINDS, *CPU_KINDS) and not run.is_on_platform
    return run.for_trace() if is_traced_as_run else ON_PLATFORMS
