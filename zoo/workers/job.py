"""One job, done in a worker: build a model, count it at each of its inputs, trace it in each mode asked for, give back rows.

Exceptions become failed rows.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from zoo.adapters.base import Zoo, options_key
from zoo.adapters.registry import open_zoo
from zoo.api.count_example import count_example
from zoo.cache.schema.tables import columns_of
from zoo.counting.conventions import CONVENTIONS
from zoo.counting.cost import Cost
from zoo.counting.count import count_model
from zoo.counting.recorder import Memo
from zoo.counting.version import COUNTER_VERSION
from zoo.errors import InputError, VariantError
from zoo.meta.build import build_on_meta, buildable
from zoo.meta.module_stack import followable
from zoo.operators.operations import Kind
from zoo.records import (
    INPUT_STAGE,
    VARIANT_STAGE,
    CostKey,
    Failure,
    Job,
    Status,
    TraceKey,
    Variant,
    Versions,
    image_of,
    with_channels,
)
from zoo.traces import TRACE_BATCH
from zoo.tracing.call_description import TraceMemo
from zoo.workers.input_constraints import Fitting, fitting
from zoo.workers.isolation import TimeUpError, time_limit, timed_out
from zoo.workers.trace_job import Traced, failed_trace, trace_example, traced_row

_TOTALS = [name for name in CONVENTIONS if name != "matmul"]  # that is `macs`
_WITH_PLAIN_CONSTRUCTORS = frozenset({"torchvision", "timm"})
"""Zoos that construct their models without configuring a library; a model of others may do anything."""

_MESSAGE_LENGTH = 300
_COLLECT_AT = 1_000_000
"""Objects more than after the last run of the garbage collector, which is off meanwhile, that make it run: some hundred models that
refer to themselves. Others are freed without it, and what is remembered for the next job stays."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A cost row, and the operations it sums up (None for a failure)."""

    key: CostKey
    row: dict[str, Any]
    operations: pa.Table | None


class Counter:
    """Does jobs one after another, remembering what helps the next: zoos, and results of meta kernels."""

    def __init__(self) -> None:
        self._memo = Memo()
        self._trace_memo = TraceMemo()
        self._zoos: dict[str, Zoo] = {}
        self._inputs: dict[str, dict[str, list[str]]] = {}  # native inputs by zoo and architecture
        self._fittings: dict[CostKey, Fitting | None] = {}  # by key at the native input; None: it does not even run there
        self._following = contextlib.ExitStack()
        self._following.enter_context(followable())  # these two once for all models
        self._following.enter_context(buildable())

    def count(self, job: Job, timeout_s: float | None = None) -> list[Counted | Traced]:
        """A row for each input and each trace, none of which takes longer than it may; never raises for what a model does."""
        zoo = self._zoo_of(job)
        versions = versions_of(zoo)
        counted = list(self._rows_of(zoo, job, versions, timeout_s))
        if gc.get_count()[0] > _COLLECT_AT:
            gc.collect()
            gc.freeze()  # what is left is remembered for good: no need to look at it again
        return counted

    def _zoo_of(self, job: Job) -> Zoo:
        if job.declared:
            return open_zoo(job.zoo, [job.declared])
        return self._zoos.get(job.zoo) or self._zoos.setdefault(job.zoo, open_zoo(job.zoo))

    def _rows_of(self, zoo: Zoo, job: Job, versions: Versions, timeout_s: float | None) -> Iterator[Counted | Traced]:
        """A row for each key; neighbours with equal options share a build."""
        model: nn.Module | None = None
        built_with: Any = None
        keys = job.row_keys()
        for key in keys:
            stage = "build"
            try:
                with time_limit(timeout_s):
                    options = zoo.build_options(_cost_key(key))
                    if model is None or built_with != options_key(options):
                        model, built_with = None, options_key(options)
                        model = _build(zoo, job.arch, options)
                    stage = "run"
                    row = self._row_of(zoo, model, key, versions, keep=key is not keys[-1])
                yield row
            except TimeUpError:
                assert timeout_s is not None
                model = None  # it was stopped anywhere
                yield failed(key, timed_out(timeout_s), versions)
            except InputError as error:
                yield failed(key, Failure(INPUT_STAGE, "", str(error)), versions)
            except VariantError as error:
                yield failed(key, Failure(VARIANT_STAGE, "", str(error)), versions)
            except Exception as error:  # noqa: BLE001  # whatever a model does costs its own row only
                yield failed(key, self._explain_any(zoo, key, stage, error), versions)

    def _row_of(self, zoo: Zoo, model: nn.Module, key: CostKey | TraceKey, versions: Versions, *, keep: bool) -> Counted | Traced:
        """One pass of the model, which is kept as it was if another one comes."""
        if isinstance(key, TraceKey):
            started = time.perf_counter()
            example = zoo.example(model, key.cost_key._replace(batch=TRACE_BATCH))
            trace = trace_example(model, example, key, self._trace_memo)
            return traced_row(key, trace, example.assumption, versions, time.perf_counter() - started)
        example = zoo.example(model, key)
        counting = functools.partial(count_model, model, example.args, kwargs=example.kwargs, keep=keep)
        return counted_row(key, count_example(example, counting, self._memo), versions)

    def _explain_any(self, zoo: Zoo, key: CostKey | TraceKey, stage: str, error: Exception) -> Failure:
        """A trace fails for a reason of its own where a count of the same model does not."""
        if isinstance(key, TraceKey) and stage == "run" and self._runs(zoo, key.cost_key):
            return Failure("trace", type(error).__name__, said_by(error))
        return self._explain(zoo, _cost_key(key), stage, error)

    def _explain(self, zoo: Zoo, key: CostKey, stage: str, error: Exception) -> Failure:
        """Tells a size the architecture cannot take from a fault: at its native input the same model runs."""
        message = said_by(error)
        if isinstance(error, MemoryError) or "allocate memory" in message:
            return Failure("memory", type(error).__name__, message)
        if key.variant == Variant.FEATURES and "meta tensors" in message:
            return Failure(VARIANT_STAGE, "", "its feature maps depend on values, and a count has none")
        native = self._native_inputs(zoo, key)
        if not native or key.input in native:
            return Failure(stage, type(error).__name__, message)
        anywhere = key._replace(input=native[0], batch=1)
        if anywhere not in self._fittings:
            self._fittings[anywhere] = fitting(native, lambda input: self._runs(zoo, anywhere._replace(input=input)))
        known = self._fittings[anywhere]
        if known is None:
            return Failure(stage, type(error).__name__, message)
        return Failure(INPUT_STAGE, "", known.why_not(key.input))

    def _runs(self, zoo: Zoo, key: CostKey) -> bool:
        """Whether one pass gets through."""
        try:
            model = _build(zoo, key.arch, zoo.build_options(key))
            example = zoo.example(model, key)
            count_example(example, functools.partial(count_model, model, example.args, kwargs=example.kwargs), self._memo)
        except Exception:  # noqa: BLE001  # that it fails is the answer
            return False
        return True

    def _native_inputs(self, zoo: Zoo, key: CostKey) -> list[str]:
        """The inputs at which an architecture and its weights are used, its own first, with the channels of the key."""
        if zoo.name not in self._inputs:
            self._inputs[zoo.name] = {
                a.name: list(dict.fromkeys([a.input, *a.inputs, *(w.input for w in a.weights)])) for a in zoo.architectures()
            }
        native = self._inputs[zoo.name].get(key.arch, [])
        channels, *size = image_of(key.input).shape
        return list(dict.fromkeys(with_channels(input, channels) for input in native)) if len(size) >= 2 else native


def _build(zoo: Zoo, arch: str, options: dict[str, Any]) -> nn.Module:
    return build_on_meta(lambda: zoo.build(arch, options), zoo.initialisers(), reuse=zoo.name in _WITH_PLAIN_CONSTRUCTORS)


def versions_of(zoo: Zoo) -> Versions:
    """The versions a count of this zoo depends on, without the build of torch (`2.14.1`, not `2.14.1+cu130`)."""
    return Versions(zoo.version(), torch.__version__.partition("+")[0], COUNTER_VERSION)


def counted_row(key: CostKey, cost: Cost, versions: Versions) -> Counted:
    """The row of a model that was counted."""
    by_kind, totals = cost.macs_by_kind(), cost.totals()
    now = datetime.now(UTC)
    row = {
        **_common(key, versions, now),
        "status": cost.status.value,
        "reason": cost.reason,
        "params": cost.params,
        "buffers": cost.buffers,
        "weight_bytes": cost.weight_bytes,
        "macs": cost.macs,
        "flops": cost.flops,
        "macs_conv": by_kind[Kind.CONV],
        "macs_linear": by_kind[Kind.LINEAR],
        "macs_matmul": by_kind[Kind.MATMUL] + by_kind[Kind.RECURRENT],
        "macs_attention": by_kind[Kind.ATTENTION],
        **{f"total_{name.replace('-', '_')}": totals[name] for name in _TOTALS},
        "activations": cost.activations,
        "bytes_read": cost.bytes_read,
        "bytes_written": cost.bytes_written,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "peak_module": cost.peak_module,
        "operations": cost.operations,
        "seconds": round(cost.seconds, 4),
    }
    return Counted(key, row, _operations_table(key, cost, now))


def failed_row(key: CostKey, failure: Failure, versions: Versions) -> Counted:
    """The row of a model that could not be counted: every figure is missing."""
    return Counted(
        key, {**_common(key, versions, datetime.now(UTC)), "status": Status.FAILED.value, "reason": str(failure)}, None
    )


def failed(key: CostKey | TraceKey, failure: Failure, versions: Versions) -> Counted | Traced:
    """The row of what could not be done."""
    return failed_trace(key, failure, versions) if isinstance(key, TraceKey) else failed_row(key, failure, versions)


def _cost_key(key: CostKey | TraceKey) -> CostKey:
    return key.cost_key if isinstance(key, TraceKey) else key


def _common(key: CostKey, versions: Versions, now: datetime) -> dict[str, Any]:
    return {
        **key._asdict(),
        "variant": str(key.variant),
        "library_version": versions.library,
        "torch_version": versions.torch,
        "counter_version": versions.counter,
        "counted_at": now,
    }


def _operations_table(key: CostKey, cost: Cost, now: datetime) -> pa.Table:
    """The operations as rows of the `ops` table; their figures are those of all `calls` together."""
    rows, facts = cost.rows, [row.facts for row in cost.rows]
    shared = {**key._asdict(), "variant": str(key.variant), "precision": "fp32", "layout": "nchw", "counted_at": now}
    columns: dict[str, list[Any]] = {
        "position": [row.position for row in rows],
        "module": [row.module for row in rows],
        "module_class": [row.module_class for row in rows],
        "calls": [row.calls for row in rows],
        **{name: [getattr(fact, name) for fact in facts] for name in ("operation", "kind", "shapes", "dtypes", "arguments")},
        **{
            name: [getattr(row.facts, name) * row.calls for row in rows]
            for name in ("macs", "elements_in", "elements_out", "bytes_in", "bytes_out")
        },
    }
    return columns_of("ops", len(rows), columns, shared)


def said_by(error: BaseException) -> str:
    """The beginning of an exception's message, on one line: foreign messages can be pages long, or fail to be written."""
    try:
        text = " ".join(str(error).split())
    except BaseException as second:  # noqa: BLE001  # whatever writing it does
        return f"its message cannot be read, {type(second).__name__}"
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}…"
