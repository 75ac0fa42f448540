"""The runtime that is the fastest on a platform, by the time of the networks that every platform is fitted to."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from zoo.devices.device import Device
from zoo.estimation.arrays import Array
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.hierarchy import log_sum
from zoo.estimation.platforms.settings import PlatformRun, platform_runs_on
from zoo.published.published import built_networks
from zoo.run_config import RunConfig


def fastest_runtime(device: Device, run: RunConfig, calibrated: Sequence[PlatformRun] = ()) -> str | None:
    """The runtime that is the fastest for most models on a device; None if no runtime has estimates there.

    The models are `built_networks`, each in its fastest run configuration that matches the request. Runtimes whose names only differ after
    a dash are one runtime: `ncnn` runs models on the CPU and, as `ncnn-vulkan`, on the GPU.

    Args:
        device: on which models run.
        run: the run configuration, without a runtime.
        calibrated: run configurations that the user calibrated, preferred to the shipped ones.
    """
    log_seconds: dict[str, list[Array]] = {}
    names: dict[str, set[str]] = {}
    for platform_run in platform_runs_on(device, run, fitted_platforms(), calibrated):
        runtime = str(platform_run.setting["runtime"])
        software = runtime.partition("-")[0]
        _, log_times = log_sum(platform_run.log_constants[None, :], _amounts(platform_run.fitted.platform.name))
        log_seconds.setdefault(software, []).append(log_times)
        names.setdefault(software, set()).add(runtime)
    if not log_seconds:
        return None
    order = sorted(log_seconds)
    winners = np.argmin([np.min(log_seconds[software], axis=0) for software in order], axis=0)
    fastest = order[int(np.bincount(winners).argmax())]
    return names[fastest].pop() if len(names[fastest]) == 1 else fastest


@functools.cache
def _amounts(platform: str) -> Array:
    """Amounts of the networks on one platform: networks x terms."""
    return fitted_platforms()[platform].platform.amounts(_networks())


_networks = functools.cache(built_networks)
