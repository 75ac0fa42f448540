"""What one forward pass costs: totals, and a row for each operation of each module."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from zoo.counting.operations import MATRIX_KINDS, Kind
from zoo.counting.recorder import OperationFacts
from zoo.records import Status
from zoo.units import FLOPS_PER_MAC


@dataclass(frozen=True, slots=True)
class OperationRow:
    """All calls of one module that are alike: the same operator on the same shapes."""

    position: int  # of the first such call in the pass
    module: str
    module_class: str
    facts: OperationFacts
    calls: int


@dataclass(frozen=True)
class Cost:
    """What one image (or one input of another kind) costs in a forward pass.

    Sizes count elements or bytes; `macs` are those of the `matmul` convention: the sums of products in convolutions, linear
    layers, matrix products, attention and recurrent layers.
    """

    params: int
    buffers: int
    weight_bytes: int  # of parameters and buffers, shared storage once
    peak_activation_bytes: int  # most bytes of activations alive at once; input, weights and kernel scratch excluded
    peak_module: str  # the module running then
    rows: tuple[OperationRow, ...] = field(repr=False)
    seconds: float = 0.0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the `matmul` convention."""
        return sum(self.macs_by_kind().values())

    @property
    def flops(self) -> int:
        """Two for each MAC."""
        return FLOPS_PER_MAC * self.macs

    def macs_by_kind(self) -> Counter[Kind]:
        """MACs of each class of matrix products."""
        totals: Counter[Kind] = Counter()
        for row in self.rows:
            if row.facts.macs:
                totals[row.facts.kind] += row.facts.macs * row.calls
        return totals

    @property
    def activations(self) -> int:
        """Elements written by convolutions, linear layers, matrix products, attention and recurrent layers."""
        return sum(r.facts.elements_out * r.calls for r in self.rows if r.facts.kind in MATRIX_KINDS)

    @property
    def bytes_read(self) -> int:
        """Bytes of all operands of all operations, weights included: traffic without any cache."""
        return sum(r.facts.bytes_in * r.calls for r in self.rows)

    @property
    def bytes_written(self) -> int:
        """Bytes of all results."""
        return sum(r.facts.bytes_out * r.calls for r in self.rows)

    @property
    def operations(self) -> int:
        """Calls that compute or move data; views are none."""
        return sum(r.calls for r in self.rows)

    @property
    def uncounted(self) -> Counter[str]:
        """Calls of each operator nothing is known of."""
        calls: Counter[str] = Counter()
        for row in self.rows:
            if row.facts.kind == Kind.UNKNOWN:
                calls[row.facts.operation] += row.calls
        return calls

    @property
    def status(self) -> Status:
        """`exact`, or `bound` where an operator could not be counted."""
        return Status.BOUND if self.uncounted else Status.EXACT

    @property
    def reason(self) -> str | None:
        """Names what makes the cost a bound."""
        if not self.uncounted:
            return None
        named = ", ".join(f"{name} ({calls} call{'s' if calls > 1 else ''})" for name, calls in self.uncounted.most_common())
        return f"operators without a formula: {named}; give them one with zoo.formula"
