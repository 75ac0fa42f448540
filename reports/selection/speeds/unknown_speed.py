"""Why no speed is known on a device, and how to obtain one: a sentence with the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.selection.speeds.estimate_basis import estimated_precisions, is_without_relatives, needed_trace
from reports.selection.speeds.published_speeds import published_by_architecture
from zoo.devices.device import Device
from zoo.published.published import FLOAT
from zoo.run_config import STATED, Precision, RunConfig

NO_WORKLOAD = "not estimated: no workload of it is recorded; `zoometer run CONFIG --traces MODE` records it"
"""Origin of a latency that is missing because the cache has no workload to estimate it from."""
NEEDS_DEVICE = "Speed needs a device: --device NAME, such as t4 or 'galaxy s24' (zoometer devices lists them)."


def explain_unknown_speed(device: Device, run: RunConfig, measured: pd.DataFrame | None, refusals: Iterable[str] = ()) -> str:
    """`No latency is known for NVIDIA T4 at float16: record workloads with `zoometer run CONFIG --traces fp16/nchw`.`.

    Args:
        device: where.
        run: how the models would run.
        measured: all measurements on the device, with the columns of the table `speed`.
        refusals: why the models have no estimate, the most frequent reason first; empty: estimates were not requested.
    """
    batch = f", batch {run.batch}" if run.batch > 1 else ""
    where = f"{device.name} at {run.precision.dtype}{batch}"
    return f"No latency is known for {where}{_next_step(device, run, measured, next(iter(refusals), ''))}."


def explain_refusals(reasons: pd.Series[str]) -> str:
    """How many models have no estimate although others have one, and mostly why; empty where there are none."""
    if reasons.empty:
        return ""
    (reason, count) = next(iter(reasons.value_counts().items()))
    why = (
        "because no workload is recorded of them: `zoometer run CONFIG --traces MODE` records it"
        if reason == NO_WORKLOAD
        else _reason_only(reason)
    )
    return f"{len(reasons):,} have no latency, {'mostly ' if count < len(reasons) else ''}{why}."


def _next_step(device: Device, run: RunConfig, measured: pd.DataFrame | None, refusal: str) -> str:
    if refusal == NO_WORKLOAD:
        return f": record workloads with `zoometer run CONFIG --traces {needed_trace(device, run).trace_mode}`"
    if instead := _known_instead(device, run, measured, is_refused=bool(refusal)):
        return f": it is known {instead}"
    why = (
        " or a device like it"
        if refusal and is_without_relatives(device, run)
        else f", {_reason_only(refusal)}"
        if refusal
        else ""
    )
    return f"{why}: give measurements (--speed FILE), or measure there (zoometer measure)"


def _reason_only(refusal: object) -> str:
    """The reason alone: `no estimate: a phone …` without what stands before it."""
    return str(refusal).partition(": ")[2] or str(refusal)


def _known_instead(device: Device, run: RunConfig, measured: pd.DataFrame | None, *, is_refused: bool) -> str:
    """How else models were measured, published or can be estimated on the device; empty if not at all."""
    columns = ["dtype", "batch"]
    speeds = [table[columns] for table in (measured, published_by_architecture(device.id)) if table is not None and len(table)]
    known = pd.concat(speeds) if speeds else pd.DataFrame(columns=columns)
    known["dtype"] = known["dtype"].replace(FLOAT, Precision.FP32.dtype)
    alike = known[known["dtype"] == run.precision.dtype]
    if alike.empty:
        estimated = estimated_precisions(device, run) if is_refused else []
        dtypes = [one.dtype for one in STATED if (known["dtype"] == one.dtype).any() or one in estimated]
        if dtypes:
            return f"at {' and '.join(filter(None, [', '.join(dtypes[:-1]), dtypes[-1]]))} (--dtype)"
        from zoo.estimation.platforms.settings import other_batches

        return _at_batches(other_batches(device, run) if is_refused else [])
    if not (alike["batch"] == run.batch).any():
        return _at_batches(sorted(int(batch) for batch in alike["batch"].unique()))
    return "of other models, or in another layout, runtime or number of threads"


def _at_batches(batches: Sequence[int]) -> str:
    return f"at batch {' and '.join(map(str, batches))} (--batch)" if batches else ""
