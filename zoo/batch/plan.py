"""What has to be counted: the jobs a configuration asks for, less what the cache has."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from zoo.batch.settings import ZooSettings
from zoo.errors import InputError
from zoo.records import INPUT_STAGE, Accuracy, Architecture, CostKey, Failure, Job, Status, Versions, image_input

NATIVE = "native"
_PASSING_STAGES = ("timeout", "memory", "worker")
"""Failures that another run may not meet; their rows are counted again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run should leave in the cache, and the part of it that has to be counted now."""

    keys: frozenset[CostKey]
    jobs: tuple[Job, ...]
    known_failures: Mapping[CostKey, Failure]  # rows that can be written without trying

    @property
    def to_count(self) -> int:
        """Cost rows this run will produce."""
        return sum(len(job.inputs) for job in self.jobs) + len(self.known_failures)


def wanted_keys(
    architectures: Iterable[Architecture], settings: ZooSettings, variants: Sequence[str], results: Iterable[Accuracy]
) -> dict[CostKey, Failure | None]:
    """The cost rows asked for, with the failure of those whose input makes no sense for the architecture.

    Each architecture is counted with its own head at every configured input, and with the head of each of its weights at their
    native input and wherever one of their results was measured.
    """
    measured: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        measured[result.arch, result.tag].add(result.input)
    keys: dict[CostKey, Failure | None] = {}
    for architecture in architectures:
        failure = None
        if architecture.uncountable:
            failure = Failure("plan", "", architecture.uncountable)
        for size, classes, error in _sizes(architecture, settings.inputs, measured):
            for variant in variants:
                keys.setdefault(CostKey(architecture.zoo, architecture.name, size, classes, variant), failure or error)
    return keys


def _sizes(
    architecture: Architecture, inputs: Sequence[str], measured: Mapping[tuple[str, str], set[str]]
) -> Iterable[tuple[str, int | None, Failure | None]]:
    for size in inputs:
        try:
            input = architecture.input if size == NATIVE else image_input(size, architecture.input)
        except InputError as error:
            yield size, architecture.classes, Failure(INPUT_STAGE, "", str(error))
            continue
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
    families: Mapping[tuple[str, str], str | None],
) -> Plan:
    """Leaves out what the cache has from the same versions, and gathers the rest into one job a model and head."""
    current = current_keys(cached, versions)
    missing = {key: failure for key, failure in wanted.items() if key not in current}
    by_model: dict[Job, list[str]] = defaultdict(list)
    for key, failure in missing.items():
        if failure is None:
            by_model[Job(key.zoo, key.arch, key.classes, (), key.variant, key.batch, families.get((key.zoo, key.arch)))].append(key.input)
    jobs = [dataclasses.replace(job, inputs=tuple(inputs)) for job, inputs in by_model.items()]
    failures = {key: failure for key, failure in missing.items() if failure is not None}
    return Plan(frozenset(wanted), tuple(jobs), failures)


def current_keys(costs: pd.DataFrame, versions: Mapping[str, Versions]) -> set[CostKey]:
    """Keys whose cost was counted by the versions in use; failures that may pass by themselves are not current."""
    if costs.empty:
        return set()
    in_use = pd.DataFrame(
        [(zoo, v.library, v.torch, v.counter) for zoo, v in versions.items()],
        columns=["zoo", "library_version", "torch_version", "counter_version"],
        dtype="string",
    )
    rows = costs.merge(in_use, on=list(in_use.columns))
    stage = rows["reason"].fillna("").str.split(":").str[0]
    rows = rows[~((rows["status"] == Status.FAILED) & stage.isin(_PASSING_STAGES))]
    return set(cost_keys(rows))


def cost_keys(costs: pd.DataFrame) -> list[CostKey]:
    """The key of each row of the `costs` table."""
    columns = (costs[name] for name in CostKey._fields)
    return [
        CostKey(zoo, arch, input, None if pd.isna(classes) else int(classes), variant, int(batch))
        for zoo, arch, input, classes, variant, batch in zip(*columns, strict=True)
    ]
