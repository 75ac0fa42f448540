"""The columns of the leaderboard, of the coverage and of unmatched results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Better, Column, ColumnKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_ZOO = "the zoo's own registry, read without building the model"
_COUNTED = "counted by zoometer on torch's meta device"

_IDENTITY = (
    Column("model", "Model", "Architecture and weights tag: zoo/arch.tag.", _ZOO, width=44),
    Column("zoo", "Zoo", "Where the model comes from.", _ZOO, width=11),
    Column("arch", "Architecture", "Constructor in the zoo.", _ZOO, width=34, shown=False),
    Column("tag", "Weights", "Tag of the trained weights.", _ZOO, width=26, shown=False),
    Column("family", "Family", "Module of the zoo that defines the architecture.", _ZOO, width=20),
    Column("task", "Task", "What the model is for.", _ZOO, width=14, shown=False),
    Column("input", "Input", "Shape counted at, without the batch: channels x height x width.", _ZOO, width=12),
    Column("classes", "Classes", "Outputs of the classifier, or labels a detector tells apart; 0 where the model gives features.", _ZOO, ColumnKind.INTEGER, width=9, shown=False),
    Column("variant", "Variant", "base: as built. deploy: re-parameterised for inference. features: the backbone alone, giving the feature maps of its stages.", _ZOO, width=9, shown=False),
    Column("batch", "Batch", "Images in one forward pass; amounts are those of the whole batch.", "the configuration", ColumnKind.INTEGER, width=8, shown=False),
)  # fmt: skip

_COST = (
    Column("params", "Params", "Trainable numbers of the model, each shared one once.", _COUNTED, ColumnKind.INTEGER, "M", 1e6, 2, Better.LOW, "Cost", 11),
    Column("macs", "MACs", "Multiply-accumulates of one batch (of one image, where no batch is shown) in convolutions, linear layers, matrix products and attention (convention matmul).", _COUNTED, ColumnKind.INTEGER, "G", 1e9, 2, Better.LOW, "Cost", 10),
    Column("flops", "FLOPs", "Two for each MAC of the matmul convention: an amount of work, not a rate.", _COUNTED, ColumnKind.INTEGER, "G", 1e9, 2, Better.LOW, "Cost", 10, False),
    Column("activations", "Activations", "Elements written by convolutions, linear layers, matrix products and attention.", _COUNTED, ColumnKind.INTEGER, "M", 1e6, 2, Better.LOW, "Cost", 12),
    Column("peak_activation_bytes", "Peak memory", "Most bytes of activations alive at one moment of inference in float32; input, weights and scratch inside kernels excluded.", _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 2, Better.LOW, "Cost", 13),
    Column("weight_bytes", "Weight memory", "Bytes of parameters and buffers in float32.", _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Cost", 14, False),
    Column("file_bytes", "File", "Size of the weights file, where the zoo states it.", _ZOO, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Cost", 10, False),
    Column("operations", "Operations", "Calls of counted or copying operations in one forward pass.", _COUNTED, ColumnKind.INTEGER, "", 1, 0, Better.LOW, "Cost", 11, False),
)  # fmt: skip

_STEP = "Most bytes alive at one moment of a training step of the batch with {}: weights, input, activations, gradients and the optimiser's state; scratch inside kernels excluded."

TRAINING = (
    Column("training_forward_macs", "Forward MACs", "Multiply-accumulates of the forward pass in training mode, auxiliary heads included.", _COUNTED, ColumnKind.INTEGER, "G", 1e9, 2, Better.LOW, "Training", 13, False),
    Column("training_backward_macs", "Backward MACs", "Multiply-accumulates of the gradients of all parameters (convention matmul).", _COUNTED, ColumnKind.INTEGER, "G", 1e9, 2, Better.LOW, "Training", 14),
    Column("training_saved_bytes", "Saved activations", "Bytes that autograd keeps of the forward pass for the backward pass, the input included.", _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 2, Better.LOW, "Training", 17),
    Column("training_gradient_bytes", "Gradients", "Bytes of the gradients of all parameters.", _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Training", 11, False),
    Column("training_sgd_step_bytes", "Step, SGD", _STEP.format("plain SGD"), _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Training", 11, False),
    Column("training_momentum_step_bytes", "Step, momentum", _STEP.format("SGD and momentum"), _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Training", 15, False),
    Column("training_adam_step_bytes", "Step, Adam", _STEP.format("Adam or AdamW"), _COUNTED, ColumnKind.INTEGER, "MB", 1e6, 1, Better.LOW, "Training", 12),
    Column("training_reason", "Training note", "Why a step of training could not be counted, or is only a bound.", _COUNTED, group="Training", width=30, shown=False),
)  # fmt: skip
"""Filled if a step of training is counted; the page and the workbook leave them out if no row has any."""

_TRUST = (
    Column("status", "Status", "exact: every operation accounted for. bound: an assumption is named. failed: not counted.", _COUNTED, group="Provenance", width=8),
    Column("reason", "Reason", "Which assumption was made, or why counting failed.", _COUNTED, group="Provenance", width=50, shown=False),
    Column("on_frontier", "Frontier", "No other model of the same task is as good at fewer MACs, by the metric the task is ranked by.", "computed from this table", ColumnKind.FLAG, group="Provenance", width=9),
    Column("license", "Licence", "Licence of the weights as the zoo states it.", _ZOO, group="Provenance", width=16, shown=False),
    Column("dataset", "Trained on", "Dataset of the last training stage, as far as the zoo says.", _ZOO, group="Provenance", width=14, shown=False),
    Column("source", "Card", "Where the weights or their description can be found.", _ZOO, ColumnKind.LINK, group="Provenance", width=12, shown=False),
)  # fmt: skip

LEADERBOARD: tuple[Column, ...] = (*_IDENTITY, *(a.column for a in ACCURACY_COLUMNS), *_COST, *TRAINING, *_TRUST)
"""One row per weights and input size."""

MODEL_KEY = ["zoo", "arch", "input", "classes", "variant"]
"""Columns that together name a counted model, whatever its weights."""

LEADERBOARD_BY_KEY: Mapping[str, Column] = {column.key: column for column in LEADERBOARD}


def columns_for(leaderboard: pd.DataFrame, latencies: Sequence[Column] = ()) -> tuple[Column, ...]:
    """`LEADERBOARD` with latencies after the costs.

    Variant and batch are shown where rows differ in them; columns of training are left out where no row has any.
    """
    training = TRAINING if any(leaderboard[column.key].notna().any() for column in TRAINING) else ()
    differing = {key for key in ("variant", "batch") if len(leaderboard[key].unique()) > 1}
    declared = (*_IDENTITY, *(a.column for a in ACCURACY_COLUMNS), *_COST, *latencies, *training, *_TRUST)
    return tuple(dataclasses.replace(c, shown=True) if c.key in differing else c for c in declared)


COVERAGE: tuple[Column, ...] = tuple(
    LEADERBOARD_BY_KEY[key] for key in ("zoo", "arch", "task", "input", "classes", "variant", "batch", "status", "reason")
)
"""Architectures that failed or are only a bound, with the reason."""

UNMATCHED: tuple[Column, ...] = (
    Column("source", "Source", "Table the result was published in.", "published results", width=28),
    Column("name", "Name", "Name used there.", "published results", width=40),
    Column("input", "Input", "Input size used there.", "published results", width=12),
    Column("reason", "Reason", "Why it belongs to no row of the leaderboard.", "computed by zoometer", width=60),
)
"""Published results that match no model."""
