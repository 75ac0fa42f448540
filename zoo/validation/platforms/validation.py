"""Validation of estimates on platforms, from the published measurements that come with zoometer.

Every protocol of `zoo.validation.platforms.protocols` on every platform, the baselines on the same models, and the coverage of
intervals: each is computed from the other models, families or devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.devices.data_sheets import shipped_devices
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Indices
from zoo.estimation.platforms.constants import Fitted
from zoo.estimation.platforms.features import FEATURES, TRACED, USED, features_of
from zoo.estimation.platforms.platform import platforms
from zoo.published.published import Check, built_networks, published_speeds
from zoo.records import MODEL_COLUMNS, TraceKey
from zoo.refresh.fill_missing import list_architectures
from zoo.validation.measured_models import TraceSource
from zoo.validation.metrics import rank_correlation
from zoo.validation.platforms.baselines import baselines
from zoo.validation.platforms.fit import Context, fit_platform
from zoo.validation.platforms.intervals import held_out_quantiles, noise_of
from zoo.validation.platforms.measurements import Measurements, measurements_of
from zoo.validation.platforms.protocols import HeldOut, device_held_out, family_held_out, model_held_out

_LEAST_RANKED = 5
"""Smallest number of models of a setting whose ranks are compared."""


@dataclass(frozen=True, slots=True)
class PlatformResult:
    """The result of a protocol on a platform in one dtype, of models whose calls are known: joined to an architecture, or built."""

    platform: str
    dtype: str
    protocol: str
    measurements: int
    models: int
    devices: int
    median_error_percent: float
    p90_error_percent: float
    rank_correlation: float | None  # Spearman's, the median over settings; None where settings have few models
    covered_percent: float | None  # of measurements in the interval; None where there is none
    half_width: float | None  # the factor from the estimate to an end of its interval, the median
    refused: int  # measurements without an estimate


@dataclass(frozen=True)
class Published:
    """Published measurements with the features of their models."""

    rows: pd.DataFrame
    features: pd.DataFrame  # by `MODEL_COLUMNS`
    context: Context


def read_published(source: TraceSource, command: str) -> Published:
    """Published measurements with the features of their models; those that the cache lacks are traced into it.

    Raises:
        SpeedError: if none of the models can be traced.
    """
    rows = published_speeds(near=True)
    of_zoos = rows.loc[rows["check"] != Check.BUILT.value, "zoo"]
    known = {(a.zoo, a.name): a for a in list_architectures(source.cache, sorted(of_zoos.unique()))}
    models = rows[MODEL_COLUMNS].drop_duplicates()
    keys = {
        TraceKey(zoo, arch, input, known[zoo, arch].classes, variant, precision=TRACED.precision)
        for zoo, arch, input, variant in models.astype(str).to_numpy().tolist()
        if (zoo, arch) in known
    }
    source.trace(keys)
    workloads = source.store.workloads(precision=TRACED.precision, layout=TRACED.layout)
    workloads = workloads.merge(models, on=MODEL_COLUMNS)
    if workloads.empty:
        raise SpeedError("None of the published models could be traced.")
    families = {name: architecture.family or architecture.name for name, architecture in known.items()}
    built = built_networks()
    names, relatives = (
        list(zip(built[zoo], built[arch], strict=True)) for zoo, arch in (("zoo", "arch"), ("family_zoo", "family_arch"))
    )
    families |= {name: families[relative] for name, relative in zip(names, relatives, strict=True) if relative in families}
    features = pd.concat(
        [features_of(workloads[[*MODEL_COLUMNS, *USED]], MODEL_COLUMNS), built.set_index(MODEL_COLUMNS)[list(FEATURES)]]
    )
    return Published(rows, features, Context(families, rows[[*MODEL_COLUMNS, "same_as"]], command))


def validate_platforms(published: Published) -> Iterator[tuple[list[PlatformResult], Fitted]]:
    """Yields the results of every protocol on each platform, and the constants of the platform."""
    for platform in platforms().values():
        measurements = measurements_of(platform, published.rows, published.features)
        full = measurements.hierarchy().fit(measurements.data)
        tests = [
            model_held_out(measurements, full),
            family_held_out(measurements, full, published.context.families),
            *device_held_out(measurements, full, shipped_devices()),
        ]
        results = [result for test in tests for result in _protocol_results(measurements, test)]
        for name, test in baselines(measurements, published.features).items():
            results += _protocol_results(measurements, test, name)
        order = {dtype: place for place, dtype in enumerate(platform.dtypes)}
        yield sorted(results, key=lambda result: order[result.dtype]), fit_platform(measurements, full, tests, published.context)


def _protocol_results(measurements: Measurements, test: HeldOut, baseline: str | None = None) -> Iterator[PlatformResult]:
    for dtype in measurements.platform.dtypes:
        rows = np.flatnonzero((measurements.dtype[test.row] == dtype) & measurements.is_exact[test.row])
        if len(rows):
            yield _protocol_result(measurements, test, rows, baseline)


def _protocol_result(measurements: Measurements, test: HeldOut, rows: Indices, baseline: str | None) -> PlatformResult:
    residual, group, row = test.residual[rows], test.group[rows], test.row[rows]
    errors = np.abs(np.expm1(-residual))  # of estimated over measured
    setting = measurements.data.setting[row]
    covered, half_width = None, None
    if baseline is None and len(np.unique(group)) > 1:
        deviation = np.sqrt(test.variance[rows] + noise_of(residual, group) ** 2)
        half_widths = held_out_quantiles(np.abs(residual) / deviation, group) * deviation
        covered, half_width = 100 * float(np.mean(np.abs(residual) <= half_widths)), float(np.exp(np.median(half_widths)))
    return PlatformResult(
        platform=measurements.platform.name,
        dtype=str(measurements.dtype[row[0]]),
        protocol=baseline or test.protocol,
        measurements=len(np.unique(row)),
        models=len(np.unique(measurements.model[row])),
        devices=int(measurements.settings["device"][np.unique(setting)].nunique()),
        median_error_percent=100 * float(np.median(errors)),
        p90_error_percent=100 * float(np.quantile(errors, 0.9)),
        rank_correlation=_median_rank_correlation(measurements.data.log_time[row], residual, setting),
        covered_percent=covered,
        half_width=half_width,
        refused=_count_refused(measurements, test, str(measurements.dtype[row[0]])),
    )


def _count_refused(measurements: Measurements, test: HeldOut, dtype: str) -> int:
    """Number of measurements in a dtype for which a protocol has no estimate."""
    in_dtype = (measurements.dtype == dtype) & measurements.is_exact
    return int(in_dtype.sum() - len(np.unique(test.row[in_dtype[test.row]])))


def _median_rank_correlation(log_time: Array, residual: Array, setting: Indices) -> float | None:
    """Rank correlation of estimated with measured times: the median over settings."""
    correlations = [
        rank_correlation(log_time[rows], (log_time - residual)[rows])
        for number in np.unique(setting)
        if len(np.unique(log_time[rows := setting == number])) >= _LEAST_RANKED
    ]
    return float(np.median(correlations)) if correlations else None
