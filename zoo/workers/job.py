"""Runs one job: builds a model, counts it at each input, traces it in each mode and returns the rows. Exceptions become failed rows."""

from __future__ import annotations

import contextlib
import functools
import gc
import weakref
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from zoo.adapters.base import Zoo, options_key
from zoo.adapters.registry import open_zoo
from zoo.api.example_cost import count_example
from zoo.cache.schema.tables import columns_of
from zoo.counting.conventions import CONVENTIONS
from zoo.counting.cost import Cost
from zoo.counting.pass_mode import is_out_of_memory, needs_gradients, needs_values
from zoo.counting.version import COUNTER_VERSION
from zoo.errors import InputError, VariantError, message_of
from zoo.inputs import image_tensor, with_channels
from zoo.jobs import INPUT_STAGE, VARIANT_STAGE, Failure, Job
from zoo.meta.build import build_on_meta, buildable
from zoo.meta.module_stack import followable
from zoo.operators.operator_kinds import Kind
from zoo.recording.memo import Memo
from zoo.records import CostKey, TraceKey, Versions
from zoo.workers.input_constraints import InputConstraints, learn_constraints
from zoo.workers.isolation import TimeUpError, time_limit, timeout_failure
from zoo.workers.job_rows import JobResult, failed_result, key_columns, version_columns
from zoo.workers.trace_job import TraceJob
from zoo.workers.training_job import count_example_training, failed_training

_TOTALS = [name for name in CONVENTIONS if name != "matmul"]  # that is `macs`
_WITH_PLAIN_CONSTRUCTORS = frozenset({"torchvision", "timm"})
"""Zoos whose constructors do not change global state, so that their modules can be cached and rebuilt."""

_MESSAGE_LENGTH = 300
_COLLECT_AT = 1_000_000
"""Number of new objects after which the garbage collector runs; otherwise it is disabled. Only models with reference cycles need it: some
hundred of them create as many objects."""


class JobRunner:
    """Runs jobs one after another. Zoos and memoized results of meta kernels are shared between them."""

    def __init__(self) -> None:
        self._memo = Memo()
        self._traces = TraceJob()
        self._zoos: dict[str, Zoo] = {}
        self._inputs: dict[str, dict[str, list[str]]] = {}  # native inputs by zoo and architecture
        self._constraints: dict[CostKey, InputConstraints | None] = {}  # by key at the native input; None: it fails there too
        patches = contextlib.ExitStack()
        patches.enter_context(followable())  # applied once for all models
        patches.enter_context(buildable())
        weakref.finalize(self, patches.close)

    def run(self, job: Job, timeout_s: float | None = None) -> list[JobResult]:
        """Returns a result for each input and each trace of the job. Exceptions of the model become failed rows."""
        zoo = self._zoo_of(job)
        versions = current_versions(zoo)
        results = list(self._results_of(zoo, job, versions, timeout_s))
        if gc.get_count()[0] > _COLLECT_AT:
            gc.collect()
            gc.freeze()  # the remaining objects are caches, which the collector need not scan again
        return results

    def _zoo_of(self, job: Job) -> Zoo:
        if job.declared:
            return open_zoo(job.zoo, [job.declared])
        return self._zoos.get(job.zoo) or self._zoos.setdefault(job.zoo, open_zoo(job.zoo))

    def _results_of(self, zoo: Zoo, job: Job, versions: Versions, timeout_s: float | None) -> Iterator[JobResult]:
        """Yields a result for each key. Consecutive keys with equal build options share a model."""
        model: nn.Module | None = None
        built_with: Any = None
        for key in job.keys:
            stage = "build"
            try:
                with time_limit(timeout_s):
                    options = zoo.build_options(key.cost_key)
                    if model is None or built_with != options_key(options):
                        model, built_with = None, options_key(options)
                        model = _build_model(zoo, job.arch, options)
                    stage = "run"
                    result = self._result_of(zoo, model, key, versions, job)
                if job.training and isinstance(key, CostKey):
                    result.row.update(self._training_of(zoo, model, key, timeout_s))
                yield result
            except TimeUpError:
                assert timeout_s is not None
                model = None  # interrupted, so its state is unknown
                yield failed_result(key, timeout_failure(timeout_s), versions)
            except InputError as error:
                yield failed_result(key, Failure(INPUT_STAGE, "", str(error)), versions)
            except VariantError as error:
                yield failed_result(key, Failure(VARIANT_STAGE, "", str(error)), versions)
            except Exception as error:  # noqa: BLE001  # a model may raise anything
                yield failed_result(key, self._diagnose_row(zoo, key, stage, error), versions)

    def _result_of(self, zoo: Zoo, model: nn.Module, key: CostKey | TraceKey, versions: Versions, job: Job) -> JobResult:
        """The result for one of the keys of a job; the last one may change the model, because it is not used any more."""
        if isinstance(key, TraceKey):
            return self._traces.result(zoo, model, key, [k for k in job.keys if isinstance(k, TraceKey)], versions)
        return count_result(key, self._count_example(zoo, model, key, keep=job.training or key != job.keys[-1]), versions)

    def _count_example(self, zoo: Zoo, model: nn.Module, key: CostKey, *, keep: bool) -> Cost:
        rebuild = functools.partial(_build_model, zoo, key.arch, zoo.build_options(key))
        return count_example(model, zoo.example(model, key), self._memo, rebuild, keep=keep)

    def _training_of(self, zoo: Zoo, model: nn.Module, key: CostKey, timeout_s: float | None) -> dict[str, Any]:
        """The columns of a step of training, with its own time limit; an exception only affects these columns."""
        try:
            with time_limit(timeout_s):
                return count_example_training(model, zoo.example(model, key), self._memo)
        except TimeUpError:
            assert timeout_s is not None
            return failed_training(str(timeout_failure(timeout_s)))
        except Exception as error:  # noqa: BLE001  # a model may raise anything
            return failed_training(f"{type(error).__name__}: {short_message(error)}")

    def _diagnose_row(self, zoo: Zoo, key: CostKey | TraceKey, stage: str, error: Exception) -> Failure:
        """Diagnoses a failure; if a trace fails and the same model can be counted, the tracer failed."""
        if isinstance(key, TraceKey) and stage == "run" and self._runs(zoo, key.cost_key):
            if needs_gradients(error):
                return Failure("trace", "", "its forward pass computes gradients, which a trace does not do")
            if needs_values(error):
                return Failure("trace", "", "what it does depends on the values of tensors, which a trace does not have")
            return Failure("trace", type(error).__name__, short_message(error))
        return self._diagnose(zoo, key.cost_key, stage, error)

    def _diagnose(self, zoo: Zoo, key: CostKey, stage: str, error: Exception) -> Failure:
        """Distinguishes unsupported inputs from other failures: with an unsupported input, the architecture runs at its native one."""
        message = short_message(error)
        if is_out_of_memory(error):
            return Failure("memory", type(error).__name__, message)
        native = self._native_inputs(zoo, key)
        if not native or key.input in native:
            return Failure(stage, type(error).__name__, message)
        at_native = key._replace(input=native[0], batch=1)
        if at_native not in self._constraints:
            self._constraints[at_native] = learn_constraints(
                native, lambda input: self._runs(zoo, at_native._replace(input=input))
            )
        constraints = self._constraints[at_native]
        if constraints is None:
            return Failure(stage, type(error).__name__, message)
        return Failure(INPUT_STAGE, "", constraints.explain(key.input))

    def _runs(self, zoo: Zoo, key: CostKey) -> bool:
        """Whether the architecture can be built and run at the input of the key."""
        try:
            model = _build_model(zoo, key.arch, zoo.build_options(key))
            self._count_example(zoo, model, key, keep=False)
        except Exception:  # noqa: BLE001  # a model may raise anything
            return False
        return True

    def _native_inputs(self, zoo: Zoo, key: CostKey) -> list[str]:
        """Native inputs of the architecture and its weights, the default first, with the channels of the key."""
        if zoo.name not in self._inputs:
            self._inputs[zoo.name] = {
                a.name: list(dict.fromkeys([a.input, *a.inputs, *(w.input for w in a.weights)])) for a in zoo.architectures()
            }
        native = self._inputs[zoo.name].get(key.arch, [])
        channels, *size = image_tensor(key.input).shape
        return list(dict.fromkeys(with_channels(input, channels) for input in native)) if len(size) >= 2 else native


def _build_model(zoo: Zoo, arch: str, options: dict[str, Any]) -> nn.Module:
    return build_on_meta(lambda: zoo.build(arch, options), zoo.initialisers(), reuse=zoo.name in _WITH_PLAIN_CONSTRUCTORS)


def current_versions(zoo: Zoo) -> Versions:
    """Versions that counts of this zoo depend on. The local version of torch is left out (`2.14.1`, not `2.14.1+cu130`)."""
    return Versions(zoo.version(), torch.__version__.partition("+")[0], COUNTER_VERSION)


def count_result(key: CostKey, cost: Cost, versions: Versions) -> JobResult:
    """The rows of a counted model."""
    by_kind, totals = cost.macs_by_kind(), cost.totals()
    shared = key_columns(key, datetime.now(UTC))
    row = {
        **shared,
        **version_columns(key, versions),
        "status": cost.status.value,
        "reason": cost.reason,
        "params": cost.params,
        "buffers": cost.buffers,
        "weight_bytes": cost.weight_bytes,
        "macs": cost.macs,
        "flops": cost.flops,
        "macs_conv": by_kind[Kind.CONV],
        "macs_linear": by_kind[Kind.LINEAR],
        "macs_bmm": by_kind[Kind.MATMUL] + by_kind[Kind.RECURRENT],
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
    return JobResult(key, row, _operations_table(cost, shared))


def _operations_table(cost: Cost, shared: Mapping[str, Any]) -> pa.Table:
    """Rows of the `ops` table. Their figures are totals over `calls`."""
    rows, op = cost.rows, [row.op for row in cost.rows]
    columns: dict[str, list[Any]] = {
        "position": [row.position for row in rows],
        "module": [row.module for row in rows],
        "module_class": [row.module_class for row in rows],
        "calls": [row.calls for row in rows],
        **{name: [getattr(op, name) for op in op] for name in ("operation", "kind", "shapes", "dtypes", "arguments")},
        **{
            name: [getattr(row.op, name) * row.calls for row in rows]
            for name in ("macs", "elements_in", "elements_out", "bytes_in", "bytes_out")
        },
    }
    return columns_of("ops", len(rows), columns, {**shared, "precision": "fp32", "layout": "nchw"})


def short_message(error: BaseException) -> str:
    """An exception's message on one line, truncated."""
    text = " ".join(message_of(error).split())
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}…"
