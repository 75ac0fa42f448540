"""Jobs of one architecture at some inputs."""

from __future__ import annotations

from collections.abc import Iterable

from zoo.jobs import Job
from zoo.records import CostKey, DeclaredModel, TraceKey, Variant


def job_of(  # those of a key, and what else a job says
    zoo: str,
    arch: str,
    classes: int | None,
    inputs: Iterable[str],
    variant: str = Variant.BASE,
    *,
    batch: int = 1,
    traces: Iterable[tuple[str, str, str]] = (),
    family: str | None = None,
    declared: DeclaredModel | None = None,
) -> Job:
    """The job of these inputs, then of the traces, each an input, a precision and a layout."""
    costs = [CostKey(zoo, arch, input, classes, variant, batch) for input in inputs]
    rows = [TraceKey(zoo, arch, input, classes, variant, batch, precision, layout) for input, precision, layout in traces]
    return Job((*costs, *rows), family, declared)
