"""Parts written by older versions, brought to the present schema. Files are not rewritten for it: compaction does so in time.

The exact columns of every older version are known, so that a part of one is recognised by more than its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from zoo.cache.schema.tables import SCHEMA_VERSION, TABLES

COLUMNS: Mapping[int, Mapping[str, str]] = {
    1: {
        "costs": """zoo arch input classes variant status reason params buffers weight_bytes macs flops macs_conv macs_linear
            macs_matmul macs_attention total_all total_fvcore total_ptflops_aten total_ptflops_pytorch total_weights_only
            activations bytes_read bytes_written peak_activation_bytes peak_module operations library_version torch_version
            counter_version seconds counted_at""",
        "ops": """zoo arch input classes variant precision layout position module module_class operation kind shapes dtypes
            arguments calls macs elements_in elements_out bytes_in bytes_out counted_at""",
        "weights": "zoo arch tag task family dataset classes input file_bytes license source recipe is_default library_version",
        "architectures": "zoo arch task family input classes note library_version",
        "accuracy": "zoo arch tag dataset metric input value source retrieved_at",
        "unjoined": "zoo source name input reason",
        "runs": "run planned counted failed unfit added removed changed versions started_at seconds",
    }
}
"""The columns of each older version's tables; the present version's are in `schema`."""

_BEFORE: Mapping[int, Mapping[str, Any]] = {1: {"batch": 1, "status": "done"}}
"""What held of every row of a version that had no column for it; whatever else it lacks is unknown."""


def required_columns(name: str, version: int) -> list[str]:
    """The columns a part of this version must have: all there were, or those of the present version that are never unknown."""
    if version == SCHEMA_VERSION:
        return [field.name for field in TABLES[name] if not field.nullable]
    return COLUMNS.get(version, {}).get(name, "").split()


def upgrade(table: pa.Table, name: str, version: int) -> pa.Table:
    """The rows of a part of an older version, with the columns it lacks and something is known about."""
    for older in range(version, SCHEMA_VERSION):
        for column, value in _BEFORE.get(older, {}).items():
            if column in TABLES[name].names and column not in table.column_names:
                field = TABLES[name].field(column)
                table = table.append_column(field, pa.repeat(pa.scalar(value, field.type), len(table)))
    return table
