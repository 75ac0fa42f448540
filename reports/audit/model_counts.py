"""The totals of one counted model that an audit compares with published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.counting.convention_rules import FVCORE_RULES, attention_scores
from zoo.counting.conventions import CONVENTIONS
from zoo.counting.rows import CallRow
from zoo.operators.operator_kinds import MATRIX_KINDS, Kind
from zoo.operators.shape_text import parse_shapes

QUANTITIES = ("params", "macs", "activations")
"""What is compared: parameters, multiply-accumulates and elements written by matrix operations."""


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """The totals of one model from which the result of every counting method follows."""

    params: int
    activations: int  # elements written by matrix operations
    totals: Mapping[str, int]  # by convention, in the convention's own unit
    unseen: Mapping[str, int]  # of each total, what the convention's tool does not see, fused attention excluded
    unseen_activations: Mapping[str, int]
    attention_macs: int  # products inside fused attention
    attention_out: int  # elements it writes
    attention_scores: int  # entries of softmax(q k^T), which attention as separate products writes as well
    training_norms: int  # what fvcore adds for batch normalisation in training mode
    standardisation: int  # what fvcore counts for normalising weights

    @classmethod
    def from_operations(cls, params: int, rows: Iterable[CallRow]) -> ModelCounts:
        """Adds up the recorded operations of one model."""
        rows = list(rows)
        fused = [row for row in rows if row.op.kind == Kind.ATTENTION]
        others = [row for row in rows if row.op.kind != Kind.ATTENTION]
        unseen = {name: [row for row in others if c.unseen_by_tool(row)] for name, c in CONVENTIONS.items()}
        training, standardisation = _batch_norms(rows)
        return cls(
            params=params,
            activations=_elements_written(rows),
            totals={name: convention.total(rows) for name, convention in CONVENTIONS.items()},
            unseen={name: sum(map(CONVENTIONS[name].weight, missed)) for name, missed in unseen.items()},
            unseen_activations={name: _elements_written(missed) for name, missed in unseen.items()},
            attention_macs=sum(row.op.macs * row.calls for row in fused),
            attention_out=_elements_written(fused),
            attention_scores=sum(attention_scores(parse_shapes(row.op.shapes)) * row.calls for row in fused),
            training_norms=training,
            standardisation=standardisation,
        )


def _elements_written(rows: Iterable[CallRow]) -> int:
    return sum(row.op.elements_out * row.calls for row in rows if row.op.kind in MATRIX_KINDS)


def _batch_norms(rows: Iterable[CallRow]) -> tuple[int, int]:
    """What fvcore adds for batch norms in training mode, and what it counts for those that are always in training mode."""
    rule = FVCORE_RULES["batch_norm"]
    training, always = 0, 0
    for row in rows:
        if row.op.operation != "batch_norm":
            continue
        shapes = parse_shapes(row.op.shapes)
        if row.op.arguments.startswith("True"):
            always += rule(row.op, shapes) * row.calls
        else:
            training += (_TRAINING[shapes.has(1)] - _EVALUATING[shapes.has(1)]) * shapes.elements(0) * row.calls
    return training, always


_TRAINING, _EVALUATING = {True: 5, False: 4}, {True: 2, False: 1}
"""fvcore's operations for an element of a batch norm, with and without an affine part (`fvcore.nn.jit_handles`)."""
