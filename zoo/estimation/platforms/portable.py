"""Estimates on platforms as plain numbers, which a page evaluates by itself.

    latencies = [(device, run, sums.on(device, run)) for device in devices for run in runs]
    record = portable(sums, latencies)
    json.dumps(record)

`record["features"]` names the features, `record["models"]` holds them as base64 of little-endian float32, feature by feature (they
are exact: `features_of` rounds to float32). A record of `record["platforms"]`:

| key | value |
|---|---|
| terms | of each term, [place of a feature, seconds] pairs; the place -1 is the constant 1 |
| related | places of the models of families that were measured |

A record of `record["groups"]`, one for each platform and dtype:

| key | value |
|---|---|
| platform | its place in `platforms` |
| covariance | of the log constants: terms x terms |
| model, family, transfer, device | [noise, quantile] of each kind of residual |
| known | places of models that were measured elsewhere, with their log effects: [[place, effect], …] |

A record of `record["choices"]`, one for each device and run with an estimate: device, dtype, batch and ways (run configurations), each with

| key | value |
|---|---|
| group | its place in `groups` |
| constants | log constants of the terms, to twelve decimals |
| deviation | of constants that are predicted for the device; null where they were measured |
| covariance | of the constants, where they are calibrated: terms x terms; else null |
| title | in words |

The time of model i in a run configuration is the sum over terms of a = exp(constant) x amount, the amount of a term being the sum of its
[feature, seconds] pairs. With s = a / sum(a), the squared deviation by the constants is v = s' covariance s, and w the
same of the run configuration's own covariance, or 0. The logarithm of the
seconds of an image is log(sum(a)) + effect (0 where unknown), its interval is +- h:

    h = q sqrt(v + w + n^2), [n, q] of `model` where the model is related, else of `family`; known: h = q sqrt(w + n^2) of `transfer`
    with a deviation d of predicted constants, and the quantile Q of `device`: h = sqrt(h^2 + (Q d)^2); known: h = Q sqrt(d^2 + n^2), n of `transfer`

The least of these times is the estimate; a latency is exp of it x 1000 x batch. Models of `record["unknown"]` have none. Run
configurations that are not the fastest for any model are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np

from zoo.devices.device import Device
from zoo.estimation.platforms.constants import Fitted
from zoo.estimation.platforms.features import FEATURES
from zoo.estimation.platforms.fleet import PlatformLatencies, PlatformSums
from zoo.estimation.platforms.settings import PlatformRun
from zoo.run_config import RunConfig

_DECIMALS = 12
"""Decimals of log constants: a latency changes by less than one part in a trillion, and a page gets smaller."""

_KINDS = ("model", "family", "transfer", "device")


def portable(sums: PlatformSums, estimates: Iterable[tuple[Device, RunConfig, PlatformLatencies]]) -> dict[str, Any]:
    """The estimates of some models on some devices, ready for JSON.

    Args:
        sums: of the models.
        estimates: devices, how models run there, and what `sums.on` gives.
    """
    groups: dict[tuple[str, str], Fitted] = {}  # by platform and dtype
    choices = []
    for device, run, latencies in estimates:
        runs = [latencies.runs[place] for place in np.unique(latencies.fastest)]
        groups |= {_group_key(one): one.fitted for one in runs if _group_key(one) not in groups}
        records = [_run_record(one, list(groups).index(_group_key(one))) for one in runs]
        choices.append({"device": device.id, "dtype": run.precision.dtype, "batch": run.batch, "ways": records})
    platforms = {name: fitted for (name, _), fitted in groups.items()}
    values = sums.features[list(FEATURES)].to_numpy("<f4").T
    return {
        "features": list(FEATURES),
        "models": base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii"),
        "unknown": np.flatnonzero(sums.is_unknown).tolist(),
        "platforms": [_platform_record(sums, fitted) for fitted in platforms.values()],
        "groups": [
            {"platform": list(platforms).index(name), **_group_record(sums, fitted, dtype)}
            for (name, dtype), fitted in groups.items()
        ],
        "choices": choices,
    }


def _group_key(platform_run: PlatformRun) -> tuple[str, str]:
    return platform_run.fitted.platform.name, platform_run.setting["dtype"]


def _run_record(platform_run: PlatformRun, group: int) -> dict[str, Any]:
    return {
        "group": group,
        "constants": platform_run.log_constants.round(_DECIMALS).tolist(),
        "deviation": None if platform_run.predicted is None else platform_run.predicted.deviation,
        "covariance": None if platform_run.calibrated is None else platform_run.calibrated.covariance.tolist(),
        "title": platform_run.describe(),
    }


def _group_record(sums: PlatformSums, fitted: Fitted, dtype: str) -> dict[str, Any]:
    spread, effects = fitted.spread[dtype], sums.effects(fitted, dtype)
    residuals = {kind: getattr(spread, kind) for kind in _KINDS}
    return {
        "covariance": fitted.covariance[dtype].tolist(),
        **{kind: [one.noise, one.quantile] for kind, one in residuals.items()},
        "known": [[int(place), float(effects.log_effect[place])] for place in np.flatnonzero(effects.is_known)],
    }


def _platform_record(sums: PlatformSums, fitted: Fitted) -> dict[str, Any]:
    places = {feature: place for place, feature in enumerate(FEATURES)}
    return {
        "terms": [[[places.get(of, -1), cost] for of, cost in term.takes.items()] for term in fitted.platform.terms],
        "related": np.flatnonzero(sums.has_relatives(fitted)).tolist(),
    }
