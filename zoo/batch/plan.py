"""What has to be counted: the jobs a configuration asks for, less what the cache has."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from zoo.batch.settings import ZooSettings
from zoo.counting.version import TRACER_VERSION
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.records import (
    INPUT_STAGE,
    VARIANT_STAGE,
    Accuracy,
    Architecture,
    CostKey,
    Failure,
    Job,
    Status,
    TraceKey,
    Variant,
    Versions,
    image_input,
    with_channels,
)
from zoo.traces import Mode

NATIVE = "native"
_PASSING_STAGES = ("timeout", "memory", "worker")
"""Failures that another run may not meet; their rows are counted again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run should leave in the cache, and the part of it that has to be counted now."""

    keys: frozenset[CostKey]
    jobs: tuple[Job, ...]
    known_failures: Mapping[CostKey | TraceKey, Failure]  # rows that can be written without trying
    fingerprints: Mapping[tuple[str, str], str]  # by zoo and architecture, of those that have one; every new row keeps its own
    traces: frozenset[TraceKey] = frozenset()  # all that should be in the cache in the end

    @property
    def rows(self) -> int:
        """Costs and traces there should be in the end."""
        return len(self.keys) + len(self.traces)

    @property
    def to_count(self) -> int:
        """Rows this run will produce."""
        return sum(job.rows for job in self.jobs) + len(self.known_failures)


def wanted_keys(
    architectures: Iterable[Architecture], settings: ZooSettings, results: Iterable[Accuracy]
) -> dict[CostKey, Failure | None]:
    """The cost rows asked for, with the failure of those that make no sense for the architecture.

    Each architecture is counted with its own head at every configured input, and with the head of each of its weights at their
    native input and wherever one of their results was measured; all this in every configured batch and variant. A variant that
    the architecture does not have is no row, except for feature maps: a user who asks for them is told why there are none.
    """
    measured: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        measured[result.arch, result.tag].add(result.input)
    keys: dict[CostKey, Failure | None] = {}
    for architecture in architectures:
        failure = None
        if architecture.uncountable:
            failure = Failure("plan", "", architecture.uncountable)
        for size, classes, error in _sizes(architecture, settings.inputs_of(architecture.name), measured):
            input = size if error else input_as_asked(size, settings)
            for variant in settings.variants:
                head = 0 if variant == Variant.FEATURES else classes_as_asked(classes, settings)
                reason = failure or _no_variant(architecture, variant) or error
                if variant in architecture.variants or reason:
                    for batch in settings.batches:
                        keys.setdefault(CostKey(architecture.zoo, architecture.name, input, head, variant, batch), reason)
    return keys


def wanted_traces(wanted: Mapping[CostKey, Failure | None], modes: Iterable[Mode]) -> dict[TraceKey, Failure | None]:
    """The traces asked for: one in each mode of whatever is counted, in whichever batches."""
    return {TraceKey(*key._replace(batch=1), *mode): failure for mode in modes for key, failure in wanted.items()}


def check_globs(listed: Iterable[Architecture], settings: ZooSettings) -> None:
    """A misspelt glob of `inputs_for` must not silently change nothing.

    Raises:
        UnknownNameError: if one matches no architecture of the zoo.
    """
    names = [a.name for a in listed]
    for glob, _ in settings.inputs_for:
        if not fnmatch.filter(names, glob):
            raise UnknownNameError(f"inputs_for: no architecture matches '{glob}'.{did_you_mean(glob, names)}")


def classes_as_asked(classes: int | None, settings: ZooSettings) -> int | None:
    """The outputs of a head, exchanged for those of the user's task; where the architecture alone decides, it keeps deciding."""
    return classes if settings.classes is None or classes is None else settings.classes


def input_as_asked(input: str, settings: ZooSettings) -> str:
    """An input with the configured number of channels."""
    return input if settings.in_channels is None else with_channels(input, settings.in_channels)


def _no_variant(architecture: Architecture, variant: str) -> Failure | None:
    if variant != Variant.FEATURES or variant in architecture.variants:
        return None
    return Failure(VARIANT_STAGE, "", f"zoo {architecture.zoo} gives no backbones without their heads")


def _sizes(
    architecture: Architecture, inputs: Sequence[str], measured: Mapping[tuple[str, str], set[str]]
) -> Iterable[tuple[str, int | None, Failure | None]]:
    for size in inputs:
        try:
            native = architecture.inputs or (architecture.input,)
            own = native if size == NATIVE else (image_input(size, architecture.input),)
        except InputError as error:
            yield size, architecture.classes, Failure(INPUT_STAGE, "", str(error))
            continue
        for input in own:
            yield input, architecture.classes, None
    for weights in architecture.weights:
        if NATIVE in inputs:
            yield weights.input, weights.classes, None
        for input in sorted(measured[weights.arch, weights.tag]):
            yield input, weights.classes, None


def make_plan(
    wanted: Mapping[CostKey, Failure | None],
    cached: pd.DataFrame,
    versions: Mapping[str, Versions],
    architectures: Iterable[Architecture],
    traces: Mapping[TraceKey, Failure | None] = MappingProxyType({}),
    cached_traces: pd.DataFrame | None = None,
) -> Plan:
    """Leaves out what the cache has from the same versions, and gathers the rest into one job a model and head.

    Args:
        wanted: the costs asked for, with the failure of those that make no sense.
        cached: the costs that the cache has.
        versions: those in use, by zoo.
        architectures: what the keys name.
        traces: the traces asked for, likewise.
        cached_traces: the traces that the cache has.
    """
    known = {(a.zoo, a.name): a for a in architectures}
    fingerprints = {name: a.fingerprint for name, a in known.items() if a.fingerprint}
    current = current_keys(cached, versions, fingerprints)
    current_traces = current_trace_keys(cached_traces, versions, fingerprints)
    missing: dict[CostKey | TraceKey, Failure | None] = {key: why for key, why in wanted.items() if key not in current}
    missing |= {key: why for key, why in traces.items() if key not in current_traces}
    by_model: dict[Job, list[CostKey | TraceKey]] = defaultdict(list)
    for key, failure in missing.items():
        if failure is None:
            architecture = known[key.zoo, key.arch]
            job = Job(key.zoo, key.arch, key.classes, (), key.variant, key.batch, architecture.family, architecture.declared)
            by_model[job].append(key)
    jobs = [_job_of(job, keys) for job, keys in by_model.items()]
    failures = {key: failure for key, failure in missing.items() if failure is not None}
    return Plan(frozenset(wanted), tuple(jobs), failures, fingerprints, frozenset(traces))


def _job_of(job: Job, keys: Iterable[CostKey | TraceKey]) -> Job:
    """The job with what is to be counted and traced of its model."""
    traces = tuple((key.input, key.precision, key.layout) for key in keys if isinstance(key, TraceKey))
    return dataclasses.replace(job, inputs=tuple(key.input for key in keys if isinstance(key, CostKey)), traces=traces)


def current_trace_keys(
    traces: pd.DataFrame | None, versions: Mapping[str, Versions], fingerprints: Mapping[tuple[str, str], str]
) -> set[TraceKey]:
    """Likewise of traces, which also have to be of this tracer."""
    if traces is None or traces.empty:
        return set()
    rows = _current_rows(traces[(traces["tracer_version"] == TRACER_VERSION).fillna(False)], versions, fingerprints)
    return set(trace_keys(rows))


def current_keys(
    costs: pd.DataFrame, versions: Mapping[str, Versions], fingerprints: Mapping[tuple[str, str], str]
) -> set[CostKey]:
    """Keys whose cost was counted by the versions, and from the source, in use; failures that may pass are not current."""
    return set() if costs.empty else set(cost_keys(_current_rows(costs, versions, fingerprints)))


def _current_rows(
    rows: pd.DataFrame, versions: Mapping[str, Versions], fingerprints: Mapping[tuple[str, str], str]
) -> pd.DataFrame:
    in_use = pd.DataFrame(
        [(zoo, v.library, v.torch, v.counter) for zoo, v in versions.items()],
        columns=["zoo", "library_version", "torch_version", "counter_version"],
        dtype="string",
    )
    rows = rows.merge(in_use, on=list(in_use.columns))
    stage = rows["reason"].fillna("").str.split(":").str[0]
    rows = rows[~((rows["status"] == Status.FAILED) & stage.isin(_PASSING_STAGES))]
    fingerprints_then = rows["fingerprint"].astype(object).where(rows["fingerprint"].notna(), None)
    models = zip(rows["zoo"], rows["arch"], fingerprints_then, strict=True)
    return rows.loc[[fingerprints.get((zoo, arch)) == fingerprint for zoo, arch, fingerprint in models]]


def cost_keys(costs: pd.DataFrame) -> list[CostKey]:
    """The key of each row of the `costs` table."""
    columns = (costs[name] for name in CostKey._fields)
    return [
        CostKey(zoo, arch, input, None if pd.isna(classes) else int(classes), variant, int(batch))
        for zoo, arch, input, classes, variant, batch in zip(*columns, strict=True)
    ]


def trace_keys(traces: pd.DataFrame) -> list[TraceKey]:
    """The key of each row of the `traces` table."""
    modes = zip(traces["precision"], traces["layout"], strict=True)
    return [TraceKey(*key, *mode) for key, mode in zip(cost_keys(traces), modes, strict=True)]
