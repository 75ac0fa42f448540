"""Plans a refresh: the rows that a configuration requests, without those that the cache has."""

from __future__ import annotations

import fnmatch
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pandas as pd

from zoo.cache.store import key_tuples
from zoo.counting.version import TRACER_VERSION
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.inputs import resize_input, with_channels
from zoo.jobs import INPUT_STAGE, VARIANT_STAGE, Failure, Job
from zoo.records import Accuracy, Architecture, CostKey, Status, TraceKey, Variant, Versions
from zoo.run_config import RunConfig
from zoo.settings import ZooSettings

NATIVE, DEFAULT = "native", "default"
"""Input sizes of a configuration: the native inputs of an architecture and all of its weights, or only its own."""

_TRANSIENT_STAGES = ("timeout", "memory", "worker")
"""Stages of failures that need not happen again; the next run counts these rows again."""

Model = tuple[str, str]
"""Zoo and name of an architecture."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows that the cache should have after a run, and those that have to be counted."""

    costs: AbstractSet[CostKey]
    traces: AbstractSet[TraceKey]
    missing: Sequence[CostKey | TraceKey]  # rows to count, those of an architecture together
    known_failures: Mapping[CostKey | TraceKey, Failure]  # rows that are known to fail
    architectures: Mapping[Model, Architecture]
    training: bool  # whether a step of training is counted beside each cost

    @property
    def rows(self) -> int:
        """Number of rows after the run."""
        return len(self.costs) + len(self.traces)

    @property
    def to_count(self) -> int:
        """Number of rows that the run will write."""
        return len(self.missing) + len(self.known_failures)

    def jobs(self) -> Iterator[Job]:
        """The jobs that produce the missing rows, created one by one: a plan of a million rows only holds their keys.

        There is one job for each head, variant and batch of an architecture, with all of its inputs and traces.
        """
        for model, keys in itertools.groupby(self.missing, key=_model_of):
            architecture = self.architectures[model]
            groups: dict[tuple[int | None, str, int], list[CostKey | TraceKey]] = defaultdict(list)
            for key in keys:
                groups[key.classes, key.variant, key.batch].append(key)
            for group in groups.values():
                inputs = list(dict.fromkeys(key.input for key in group))
                ordered = sorted(group, key=lambda key: inputs.index(key.input))  # called at once
                yield Job(tuple(ordered), architecture.family, architecture.declared, self.training)


def _model_of(key: CostKey | TraceKey) -> Model:
    return key.zoo, key.arch


def requested_costs(
    architectures: Iterable[Architecture], settings: ZooSettings, results: Iterable[Accuracy]
) -> dict[CostKey, Failure | None]:
    """The cost rows that the settings request, with the failures that are known before counting.

    Each architecture is counted with its own head at every configured input. With the head of each of its weights it is counted
    wherever an accuracy of them was measured and, if `native` is configured, at their native input. All this applies to every
    configured batch and variant. Variants that an architecture does not have are left out, except feature maps: their rows are
    failures with the reason.
    """
    measured: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        measured[result.arch, result.tag].add(result.input)
    keys: dict[CostKey, Failure | None] = {}
    for architecture in architectures:
        inputs = _requested_inputs(architecture, settings, measured)
        for (input, classes, error), variant, batch in itertools.product(inputs, settings.variants, settings.batches):
            failure = _known_failure(architecture, variant) or error
            if failure or variant in architecture.variants:
                head = 0 if variant == Variant.FEATURES else requested_classes(classes, settings)
                keys.setdefault(CostKey(architecture.zoo, architecture.name, input, head, variant, batch), failure)
    return keys


def _requested_inputs(
    architecture: Architecture, settings: ZooSettings, measured: Mapping[tuple[str, str], set[str]]
) -> Iterator[tuple[str, int | None, Failure | None]]:
    """Inputs with the classes of the head, or with a failure if the architecture cannot have such an input."""
    sizes = settings.inputs_of(architecture.name)
    requested: list[tuple[str, int | None]] = []
    for size in sizes:
        try:
            requested += [(input, architecture.classes) for input in _inputs_of_size(size, architecture)]
        except InputError as error:
            yield size, architecture.classes, Failure(INPUT_STAGE, "", str(error))
    for weights in architecture.weights:
        native = [weights.input] if NATIVE in sizes else []
        requested += [(input, weights.classes) for input in (*native, *sorted(measured[weights.arch, weights.tag]))]
    for input, classes in requested:
        yield sys.intern(requested_input(input, settings)), classes, None  # one string for all architectures


def _inputs_of_size(size: str, architecture: Architecture) -> Sequence[str]:
    if size == NATIVE:
        return architecture.inputs or (architecture.input,)
    return [architecture.input if size == DEFAULT else resize_input(size, architecture.input)]


def _known_failure(architecture: Architecture, variant: str) -> Failure | None:
    if architecture.uncountable:
        return Failure("plan", "", architecture.uncountable)
    if variant == Variant.FEATURES and variant not in architecture.variants:
        return Failure(VARIANT_STAGE, "", f"zoo {architecture.zoo} gives no backbones without their heads")
    return None


def requested_classes(classes: int | None, settings: ZooSettings) -> int | None:
    """The configured number of classes, if there is one and the architecture has a head for it."""
    return classes if settings.classes is None or classes is None else settings.classes


def requested_input(input: str, settings: ZooSettings) -> str:
    """The input with the configured number of channels."""
    return input if settings.in_channels is None else with_channels(input, settings.in_channels)


def requested_traces(costs: Mapping[CostKey, Failure | None], runs: Iterable[RunConfig]) -> dict[TraceKey, Failure | None]:
    """The requested traces: each requested cost in each mode, whatever its batch."""
    return {
        TraceKey(*key._replace(batch=1), run.precision, run.layout): failure for run in runs for key, failure in costs.items()
    }


def check_input_globs(listed: Iterable[Architecture], settings: ZooSettings) -> None:
    """Checks the globs of `inputs_for`.

    Raises:
        UnknownNameError: if one matches no architecture of the zoo.
    """
    names = [a.name for a in listed]
    for glob, _ in settings.inputs_for:
        if not fnmatch.filter(names, glob):
            raise UnknownNameError(f"inputs_for: no architecture matches '{glob}'.{did_you_mean(glob, names)}")


def make_plan(
    costs: Mapping[CostKey, Failure | None],
    traces: Mapping[TraceKey, Failure | None],
    cached: Iterable[pd.DataFrame],
    versions: Mapping[str, Versions],
    architectures: Iterable[Architecture],
    *,
    training: bool = False,
) -> Plan:
    """Compares the requested rows with the cached ones.

    Args:
        costs: requested rows, with their known failures.
        traces: requested rows, with their known failures.
        cached: rows of `costs` and of `traces` in the cache.
        versions: installed ones, by zoo.
        architectures: those that the keys name.
        training: whether a step of training is counted beside each cost.
    """
    models = {(a.zoo, a.name): a for a in architectures}
    fingerprints = {model: a.fingerprint for model, a in models.items() if a.fingerprint}
    current: set[CostKey | TraceKey] = set()
    for rows in cached:
        valid = current_rows(rows, versions, fingerprints)
        current.update(trace_keys(valid) if "precision" in rows else cost_keys(valid))
    missing = [(key, failure) for requested in (costs, traces) for key, failure in requested.items() if key not in current]
    to_count = sorted((key for key, failure in missing if failure is None), key=_model_of)
    failures = {key: failure for key, failure in missing if failure is not None}
    return Plan(costs.keys(), traces.keys(), to_count, failures, models, training)


def current_rows(rows: pd.DataFrame, versions: Mapping[str, Versions], fingerprints: Mapping[Model, str]) -> pd.DataFrame:
    """The rows of `costs` or `traces` that were counted with these versions and fingerprints, without transient failures."""
    if rows.empty:
        return rows
    installed = pd.DataFrame(
        [(zoo, v.library, v.torch, v.counter) for zoo, v in versions.items()],
        columns=["zoo", "library_version", "torch_version", "counter_version"],
        dtype="string",
    )
    if "tracer_version" in rows:
        installed["tracer_version"] = pd.Series(TRACER_VERSION, installed.index, "string")
    rows = rows.merge(installed, on=list(installed.columns))
    stage = rows["reason"].fillna("").str.split(":").str[0]
    rows = rows[~((rows["status"] == Status.FAILED) & stage.isin(_TRANSIENT_STAGES))]
    cached = rows["fingerprint"].astype(object).where(rows["fingerprint"].notna(), None)
    return rows.loc[
        [fingerprints.get((zoo, arch)) == own for zoo, arch, own in zip(rows["zoo"], rows["arch"], cached, strict=True)]
    ]


def cost_keys(costs: pd.DataFrame) -> list[CostKey]:
    """The key of each row of the `costs` table."""
    return [CostKey(*key) for key in key_tuples(costs, CostKey._fields)]


def trace_keys(traces: pd.DataFrame) -> list[TraceKey]:
    """The key of each row of the `traces` table."""
    return [TraceKey(*key) for key in key_tuples(traces, TraceKey._fields)]
