"""What has to be counted: the jobs a configuration asks for, less what the cache has."""

from __future__ import annotations

import fnmatch
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from zoo.counting.version import TRACER_VERSION
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.inputs import resize_input, with_channels
from zoo.jobs import INPUT_STAGE, VARIANT_STAGE, Failure, Job
from zoo.records import Accuracy, Architecture, CostKey, Status, TraceKey, Variant, Versions
from zoo.run_config import RunConfig
from zoo.settings import ZooSettings

NATIVE = "native"
DEFAULT = "default"
"""The native input of an architecture, without those of its other weights."""

_PASSING_STAGES = ("timeout", "memory", "worker")
"""Failures that another run may not meet; their rows are counted again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run should leave in the cache, and the part of it that has to be counted now."""

    keys: AbstractSet[CostKey]
    jobs: Jobs
    known_failures: Mapping[CostKey | TraceKey, Failure]  # rows that can be written without trying
    fingerprints: Mapping[tuple[str, str], str]  # by zoo and architecture, of those that have one; every new row keeps its own
    traces: AbstractSet[TraceKey] = frozenset()  # all that should be in the cache in the end

    @property
    def rows(self) -> int:
        """Costs and traces there should be in the end."""
        return len(self.keys) + len(self.traces)

    @property
    def to_count(self) -> int:
        """Rows this run will produce."""
        return self.jobs.rows + len(self.known_failures)


class Jobs:
    """The jobs of a plan, one a model and head. They are made when it is their turn: a plan of a million holds their keys only."""

    def __init__(self, keys: Iterable[CostKey | TraceKey], architectures: Mapping[tuple[str, str], Architecture]) -> None:
        self._keys = sorted(keys, key=_model_of)
        self._architectures = architectures

    @property
    def rows(self) -> int:
        """Costs and traces the jobs will produce."""
        return len(self._keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Job]:
        for model, keys in itertools.groupby(self._keys, key=_model_of):
            yield from _jobs_of(self._architectures[model], keys)


def _model_of(key: CostKey | TraceKey) -> tuple[str, str]:
    return key.zoo, key.arch


def _jobs_of(architecture: Architecture, keys: Iterable[CostKey | TraceKey]) -> Iterator[Job]:
    """One job for each head, variant and batch of an architecture, with all of its inputs and traces."""
    together: dict[tuple[int | None, str, int], list[CostKey | TraceKey]] = defaultdict(list)
    for key in keys:
        together[key.classes, key.variant, key.batch].append(key)
    for (classes, variant, batch), rows in together.items():
        yield Job(
            architecture.zoo,
            architecture.name,
            classes,
            tuple(key.input for key in rows if isinstance(key, CostKey)),
            variant,
            batch,
            architecture.family,
            architecture.declared,
            traces=tuple((key.input, key.precision, key.layout) for key in rows if isinstance(key, TraceKey)),
        )


def requested_costs(
    architectures: Iterable[Architecture], settings: ZooSettings, results: Iterable[Accuracy]
) -> dict[CostKey, Failure | None]:
    """The cost rows asked for, with the failure of those that make no sense for the architecture.

    Each architecture is counted with its own head at every configured input, and with the head of each of its weights wherever
    one of their results was measured and, if `native` is asked for, at their native input; all this in every configured batch and
    variant. A variant that the architecture does not have is no row, except for feature maps: a user who asks for them is told why
    there are none.
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
            input = sys.intern(size if error else requested_input(size, settings))  # one text for all architectures
            for variant in settings.variants:
                head = 0 if variant == Variant.FEATURES else requested_classes(classes, settings)
                reason = failure or _no_variant(architecture, variant) or error
                if variant in architecture.variants or reason:
                    for batch in settings.batches:
                        keys.setdefault(CostKey(architecture.zoo, architecture.name, input, head, variant, batch), reason)
    return keys


def requested_traces(wanted: Mapping[CostKey, Failure | None], runs: Iterable[RunConfig]) -> dict[TraceKey, Failure | None]:
    """The traces asked for: one in each mode of whatever is counted, in whichever batches."""
    return {
        TraceKey(*key._replace(batch=1), run.precision, run.layout): failure for run in runs for key, failure in wanted.items()
    }


def check_input_globs(listed: Iterable[Architecture], settings: ZooSettings) -> None:
    """A misspelt glob of `inputs_for` must not silently change nothing.

    Raises:
        UnknownNameError: if one matches no architecture of the zoo.
    """
    names = [a.name for a in listed]
    for glob, _ in settings.inputs_for:
        if not fnmatch.filter(names, glob):
            raise UnknownNameError(f"inputs_for: no architecture matches '{glob}'.{did_you_mean(glob, names)}")


def requested_classes(classes: int | None, settings: ZooSettings) -> int | None:
    """The outputs of a head, exchanged for those of the user's task; where the architecture alone decides, it keeps deciding."""
    return classes if settings.classes is None or classes is None else settings.classes


def requested_input(input: str, settings: ZooSettings) -> str:
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
            for input in _inputs(size, architecture):
                yield input, architecture.classes, None
        except InputError as error:
            yield size, architecture.classes, Failure(INPUT_STAGE, "", str(error))
    for weights in architecture.weights:
        if NATIVE in inputs:
            yield weights.input, weights.classes, None
        for input in sorted(measured[weights.arch, weights.tag]):
            yield input, weights.classes, None


def _inputs(size: str, architecture: Architecture) -> Sequence[str]:
    if size == NATIVE:
        return architecture.inputs or (architecture.input,)
    return [architecture.input if size == DEFAULT else resize_input(size, architecture.input)]


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

    def missing() -> Iterator[tuple[CostKey | TraceKey, Failure | None]]:
        yield from ((key, failure) for key, failure in wanted.items() if key not in current)
        yield from ((key, failure) for key, failure in traces.items() if key not in current_traces)

    jobs = Jobs((key for key, failure in missing() if failure is None), known)
    failures = {key: failure for key, failure in missing() if failure is not None}
    return Plan(wanted.keys(), jobs, failures, fingerprints, traces.keys())


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
