"""The tables of the cache. Their names and columns are a contract: people query them with pandas, DuckDB and Polars.

Figures are exact integers; unknown is null, never zero. A row of `costs` is the commit of a count: its `ops` rows are written
before it. The same holds for a row of `traces` and its `workloads`.
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
"""How a model was run. An estimate reads the workloads of one mode, so a part keeps the rows of each mode together."""

TRACE_KEY = (*KEY, *MODE)
"""Columns that together name one trace. Its batch is 1: its amounts scale to any other batch."""


def _fields(dtype: pa.DataType, names: str, *, nullable: bool = True) -> list[pa.Field]:
    return [pa.field(name, dtype, nullable=nullable) for name in names.split()]


_KEY_FIELDS = [
    *_fields(pa.string(), "zoo arch input", nullable=False),
    *_fields(pa.int64(), "classes"),
    *_fields(pa.string(), "variant", nullable=False),
    *_fields(pa.int64(), "batch", nullable=False),
]
_MODE_FIELDS = _fields(pa.string(), "precision layout", nullable=False)
_STATUS_FIELDS = [*_fields(pa.string(), "status", nullable=False), *_fields(pa.string(), "reason")]
_TIME = pa.timestamp("us", tz="UTC")
_COUNTED_AT = pa.field("counted_at", _TIME, nullable=False)

_TABLES: Mapping[str, list[pa.Field]] = {
    "costs": [
        *_KEY_FIELDS,
        *_STATUS_FIELDS,
        *_fields(
            pa.int64(),
            """params buffers weight_bytes macs flops macs_conv macs_linear macs_bmm macs_attention total_all total_fvcore
            total_ptflops_aten total_ptflops_pytorch total_weights_only activations bytes_read bytes_written
            peak_activation_bytes""",
        ),
        *_fields(pa.string(), "peak_module"),
        *_fields(pa.int64(), "operations"),
        *_fields(pa.string(), "training_status training_reason"),  # null where no step of training was asked for
        *_fields(
            pa.int64(),
            """training_forward_macs training_backward_macs training_saved_bytes training_gradient_bytes training_sgd_step_bytes
            training_momentum_step_bytes training_adam_step_bytes""",
        ),
        *_fields(pa.string(), "fingerprint library_version torch_version counter_version run"),
        *_fields(pa.float64(), "seconds"),
        _COUNTED_AT,
    ],
    "ops": [
        *_KEY_FIELDS,
        *_fields(pa.string(), "precision layout"),
        *_fields(pa.int32(), "position", nullable=False),
        *_fields(pa.string(), "module module_class operation kind shapes dtypes arguments"),
        *_fields(pa.int32(), "calls", nullable=False),
        *_fields(pa.int64(), "macs elements_in elements_out bytes_in bytes_out"),
        _COUNTED_AT,
    ],
    # A model's pass as on a GPU, whose calls are in `workloads`; `operations` is their number, other figures are those of one image.
    "traces": [
        *_KEY_FIELDS,
        *_MODE_FIELDS,
        *_STATUS_FIELDS,
        *_fields(pa.int64(), "operations macs peak_activation_bytes"),
        *_fields(pa.string(), "fingerprint library_version torch_version counter_version tracer_version run"),
        *_fields(pa.float64(), "seconds"),
        _COUNTED_AT,
    ],
    # The distinct calls of a trace, which speeds are estimated from; amounts are for one image. The columns from `module` on, except
    # the last, are those of `zoo.estimation.workloads.workload.summarise`, which documents them.
    "workloads": [
        *_KEY_FIELDS,
        *_MODE_FIELDS,
        *_fields(pa.string(), "module module_class operation kind work dtype fused_work", nullable=False),
        *_fields(pa.bool_(), "is_channels_last is_transposed has_bias has_mask fused_is_transposed", nullable=False),
        *_fields(pa.int32(), "position calls groups group_width kernel steps", nullable=False),
        *_fields(
            pa.float64(),
            """macs free_macs bytes_in bytes_out free_bytes elements_out m n k products planes fused_bytes_in fused_bytes_out
            fused_free_bytes model_weight_bytes model_peak_bytes""",
            nullable=False,
        ),
        _COUNTED_AT,
    ],
    "weights": [
        *_fields(pa.string(), "zoo arch tag task family dataset"),
        *_fields(pa.int64(), "classes"),
        *_fields(pa.string(), "input"),
        *_fields(pa.int64(), "file_bytes"),
        *_fields(pa.string(), "license source recipe"),
        *_fields(pa.bool_(), "is_default"),
        *_fields(pa.string(), "library_version"),
    ],
    "architectures": [
        *_fields(pa.string(), "zoo arch task family input"),
        *_fields(pa.int64(), "classes"),
        *_fields(pa.list_(pa.string()), "inputs variants"),
        *_fields(pa.string(), "note uncountable fingerprint library_version"),
    ],
    "accuracy": [
        *_fields(pa.string(), "zoo arch tag dataset metric input"),
        *_fields(pa.float64(), "value"),
        *_fields(pa.string(), "source retrieved_at revision"),
    ],
    "unmatched": _fields(pa.string(), "zoo source name input reason"),
    "runs": [
        *_fields(pa.string(), "run", nullable=False),
        *_fields(pa.string(), "status config only plan selection results"),
        *_fields(pa.int64(), "planned counted failed unsupported broken failing added removed changed recovered"),
        *_fields(pa.string(), "versions"),
        *_fields(_TIME, "started_at finished_at"),
        *_fields(pa.float64(), "seconds"),
    ],
    "plans": [*_fields(pa.string(), "plan", nullable=False), *_KEY_FIELDS],
    # The accuracies that were in force for the models of a run; `runs.results` names them, so that runs with equal ones share them.
    # `classes` and `input` are those that the configuration of the run requested.
    "results": [
        *_fields(pa.string(), "results", nullable=False),
        *_fields(pa.string(), "zoo arch tag task family"),
        *_fields(pa.int64(), "classes"),
        *_fields(pa.string(), "input dataset metric"),
        *_fields(pa.float64(), "value"),
    ],
    "speed": [
        *_fields(pa.string(), "zoo arch input variant device runtime dtype layout"),
        *_fields(pa.bool_(), "compiled"),
        *_fields(pa.int64(), "threads batch"),
        *_STATUS_FIELDS,  # measured or failed
        *_fields(pa.float64(), "samples_per_s latency_ms spread half_width"),
        *_fields(pa.int64(), "repetitions peak_memory_bytes"),
        *_fields(pa.float64(), "achieved_gflops_per_s peak_gflops_per_s share_of_peak"),
        *_fields(pa.string(), "source environment run"),
        *_fields(_TIME, "measured_at"),
        *_fields(_TIME, "added_at", nullable=False),
    ],
}

TABLES: Mapping[str, pa.Schema] = {
    name: pa.schema(fields, metadata={VERSION_NOTE: str(SCHEMA_VERSION)}) for name, fields in _TABLES.items()
}
"""The schema of each table."""

SNAPSHOTS = frozenset({"weights", "architectures", "accuracy", "unmatched"})
"""Tables of which only the newest state of each zoo is read; rows are only added to the others."""

OWNERS: Mapping[str, tuple[str, ...]] = {"costs": KEY, "traces": TRACE_KEY}
"""Tables of which the newest row of each key is in force, and the columns of the key."""

DETAILS: Mapping[str, str] = {"ops": "costs", "workloads": "traces"}
"""Tables whose rows belong to one row of another table, by its key and `counted_at`; they are only read with that row. It has such
rows if its `operations` are not 0."""

ROWS_TOGETHER = 16_384
"""Rows of a row group: few enough that the rows of one model are read without most of the others."""

ORDER = (*TRACE_KEY, "plan", "run", "counted_at", "position")
"""Columns by which merged parts are sorted, as far as a table has them: rows that are read together are neighbours."""


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of the named schema; missing columns are null."""
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])


def columns_of(name: str, rows: int, columns: Mapping[str, list[Any]], shared: Mapping[str, Any]) -> pa.Table:
    """The same table from columns, and from values that all rows share; much faster for long tables."""
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.repeat(pa.scalar(shared.get(field.name), field.type), rows)
        for field in TABLES[name]
    ]
    return pa.Table.from_arrays(arrays, schema=TABLES[name])


def schema_version(schema: pa.Schema) -> int | None:
    """The version of the format of a part, or None if zoometer did not write it."""
    value = (schema.metadata or {}).get(VERSION_NOTE.encode())
    return int(value) if value and value.isdigit() else None
