"""The tables of the cache. Their names and columns are a contract: people query them with pandas, DuckDB and Polars.

Figures are exact integers; unknown is null, never zero. A row of `costs` is the commit of a count: its `ops` rows are written
before it. So it is with a row of `traces` and its `workloads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 3
VERSION_NOTE = "zoometer.schema"

KEY = ("zoo", "arch", "input", "classes", "variant", "batch")
"""Columns that together name one cost."""

MODE = ("precision", "layout")
"""How a model was run. An estimate reads the workloads of one mode, so that a part keeps the rows of each together."""

TRACE_KEY = (*KEY, *MODE)
"""Columns that together name one trace. Its batch is 1: what a trace says scales to any other."""

_KEY_FIELDS = [
    pa.field("zoo", pa.string(), nullable=False),
    pa.field("arch", pa.string(), nullable=False),
    pa.field("input", pa.string(), nullable=False),
    pa.field("classes", pa.int64()),
    pa.field("variant", pa.string(), nullable=False),
    pa.field("batch", pa.int64(), nullable=False),
]
_MODE_FIELDS = [pa.field("precision", pa.string(), nullable=False), pa.field("layout", pa.string(), nullable=False)]
_COUNTED_AT = pa.field("counted_at", pa.timestamp("us", tz="UTC"), nullable=False)


def _fields(dtype: pa.DataType, names: str) -> list[pa.Field]:
    return [pa.field(name, dtype) for name in names.split()]


def _workload_fields(dtype: pa.DataType, names: str) -> list[pa.Field]:
    return [pa.field(name, dtype, nullable=False) for name in names.split()]


def _schema(fields: list[pa.Field]) -> pa.Schema:
    return pa.schema(fields, metadata={VERSION_NOTE: str(SCHEMA_VERSION)})


COSTS = _schema(
    [
        *_KEY_FIELDS,
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        *_fields(
            pa.int64(),
            """params buffers weight_bytes macs flops macs_conv macs_linear macs_bmm macs_attention total_all total_fvcore
            total_ptflops_aten total_ptflops_pytorch total_weights_only activations bytes_read bytes_written
            peak_activation_bytes""",
        ),
        pa.field("peak_module", pa.string()),
        pa.field("operations", pa.int64()),
        *_fields(pa.string(), "training_status training_reason"),  # null where no step of training was asked for
        *_fields(
            pa.int64(),
            """training_forward_macs training_backward_macs training_saved_bytes training_gradient_bytes training_sgd_step_bytes
            training_momentum_step_bytes training_adam_step_bytes""",
        ),
        *_fields(pa.string(), "fingerprint library_version torch_version counter_version run"),
        pa.field("seconds", pa.float64()),
        _COUNTED_AT,
    ]
)

OPS = _schema(
    [
        *_KEY_FIELDS,
        *_fields(pa.string(), "precision layout"),
        pa.field("position", pa.int32(), nullable=False),
        *_fields(pa.string(), "module module_class operation kind shapes dtypes arguments"),
        pa.field("calls", pa.int32(), nullable=False),
        *_fields(pa.int64(), "macs elements_in elements_out bytes_in bytes_out"),
        _COUNTED_AT,
    ]
)

TRACES = _schema(
    [
        *_KEY_FIELDS,
        *_MODE_FIELDS,
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        *_fields(pa.int64(), "operations macs peak_activation_bytes"),
        *_fields(pa.string(), "fingerprint library_version torch_version counter_version tracer_version run"),
        pa.field("seconds", pa.float64()),
        _COUNTED_AT,
    ]
)
"""A model's pass as on a GPU, whose calls are in `workloads`; `operations` is their number, and the other figures are those of one
image."""

WORKLOADS = _schema(
    [
        *_KEY_FIELDS,
        *_MODE_FIELDS,
        *_workload_fields(pa.string(), "module module_class operation kind work dtype fused_work"),
        *_workload_fields(pa.bool_(), "is_channels_last is_transposed has_bias has_mask fused_is_transposed"),
        *_workload_fields(pa.int32(), "position calls groups group_width kernel steps"),
        *_workload_fields(
            pa.float64(),
            """macs free_macs bytes_in bytes_out free_bytes elements_out m n k products planes fused_bytes_in fused_bytes_out
            fused_free_bytes model_weight_bytes model_peak_bytes""",
        ),
        _COUNTED_AT,
    ]
)
"""What an estimate of speed reads of a trace: a row a distinct call. `zoo.estimation.workloads.workload.summarise` gives every column from
`module` on, but the last, and says what they mean; amounts are for one image."""

WEIGHTS = _schema(
    [
        *_fields(pa.string(), "zoo arch tag task family dataset"),
        pa.field("classes", pa.int64()),
        pa.field("input", pa.string()),
        pa.field("file_bytes", pa.int64()),
        *_fields(pa.string(), "license source recipe"),
        pa.field("is_default", pa.bool_()),
        *_fields(pa.string(), "library_version"),
    ]
)

ARCHITECTURES = _schema(
    [
        *_fields(pa.string(), "zoo arch task family input"),
        pa.field("classes", pa.int64()),
        *_fields(pa.list_(pa.string()), "inputs variants"),
        *_fields(pa.string(), "note uncountable fingerprint library_version"),
    ]
)

ACCURACY = _schema(
    [
        *_fields(pa.string(), "zoo arch tag dataset metric input"),
        pa.field("value", pa.float64()),
        *_fields(pa.string(), "source retrieved_at revision"),
    ]
)

UNMATCHED = _schema(_fields(pa.string(), "zoo source name input reason"))

RUNS = _schema(
    [
        pa.field("run", pa.string(), nullable=False),
        *_fields(pa.string(), "status config only plan selection results"),
        *_fields(pa.int64(), "planned counted failed unsupported broken failing added removed changed recovered"),
        pa.field("versions", pa.string()),
        pa.field("started_at", pa.timestamp("us", tz="UTC")),
        pa.field("finished_at", pa.timestamp("us", tz="UTC")),
        pa.field("seconds", pa.float64()),
    ]
)

SPEED = _schema(
    [
        *_fields(pa.string(), "zoo arch input variant device runtime dtype layout"),
        pa.field("compiled", pa.bool_()),
        *_fields(pa.int64(), "threads batch"),
        pa.field("status", pa.string(), nullable=False),  # measured, or failed for the reason beside it
        pa.field("reason", pa.string()),
        *_fields(pa.float64(), "samples_per_s latency_ms spread half_width"),
        *_fields(pa.int64(), "repetitions peak_memory_bytes"),
        *_fields(pa.float64(), "achieved_gflops_per_s peak_gflops_per_s share_of_peak"),
        *_fields(pa.string(), "source environment run"),
        pa.field("measured_at", pa.timestamp("us", tz="UTC")),
        pa.field("added_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

PLANS = _schema([pa.field("plan", pa.string(), nullable=False), *_KEY_FIELDS])

RESULTS = _schema(
    [
        pa.field("results", pa.string(), nullable=False),
        *_fields(pa.string(), "zoo arch tag task family"),
        pa.field("classes", pa.int64()),
        *_fields(pa.string(), "input dataset metric"),
        pa.field("value", pa.float64()),
    ]
)
"""The accuracies that were in force for the models of a run; `runs.results` names them, so that runs with the same ones share them.
`classes` and `input` are those that the run asked for."""

TABLES: Mapping[str, pa.Schema] = {
    "costs": COSTS,
    "ops": OPS,
    "traces": TRACES,
    "workloads": WORKLOADS,
    "weights": WEIGHTS,
    "architectures": ARCHITECTURES,
    "accuracy": ACCURACY,
    "unmatched": UNMATCHED,
    "runs": RUNS,
    "plans": PLANS,
    "results": RESULTS,
    "speed": SPEED,
}

SNAPSHOTS = frozenset({"weights", "architectures", "accuracy", "unmatched"})
"""Tables of which only the newest state of each zoo counts; the others only grow."""

OWNERS: Mapping[str, tuple[str, ...]] = {"costs": KEY, "traces": TRACE_KEY}
"""Tables of which the newest row of each key is in force, and the columns of the key."""

DETAILS: Mapping[str, str] = {"ops": "costs", "workloads": "traces"}
"""Tables whose rows belong to one row of another, by its key and `counted_at`; without it they mean nothing. Where that row's
`operations` are not 0, there are some."""

ROWS_TOGETHER = 16_384
"""Rows of a part that are read together: few enough that one model's are found without reading the rest."""

ORDER = (*TRACE_KEY, "plan", "run", "counted_at", "position")
"""Columns by which merged parts are sorted, as far as a table has them: what is asked for together lies together."""


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of the named schema; missing columns are null."""
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])


def columns_of(name: str, rows: int, columns: Mapping[str, list[Any]], shared: Mapping[str, Any]) -> pa.Table:
    """The same from whole columns, and values that all rows share; much faster for long tables."""
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.repeat(pa.scalar(shared.get(field.name), field.type), rows)
        for field in TABLES[name]
    ]
    return pa.Table.from_arrays(arrays, schema=TABLES[name])


def schema_version(schema: pa.Schema) -> int | None:
    """The version a part file was written with, or None if it is not ours."""
    value = (schema.metadata or {}).get(VERSION_NOTE.encode())
    return int(value) if value and value.isdigit() else None
