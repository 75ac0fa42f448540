"""The cost of one forward pass: totals, and a row for each operation of each module."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo.counting.conventions import CONVENTIONS, Convention, find_convention
from zoo.counting.rows import OperationRow, macs_by_kind, sum_by_module, uncounted_calls, why_uncounted
from zoo.meta.module_stack import ModuleRecord
from zoo.notebook import draw_bars, html_table, html_totals, innermost
from zoo.operators.operator_kinds import MATRIX_KINDS, Kind
from zoo.records import Status
from zoo.units import FLOPS_PER_MAC, format_amount, format_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Cost:
    """The cost of a forward pass for one image (or one input of another kind).

    Sizes count elements or bytes; `macs` are those of the `matmul` convention: the sums of products in convolutions, linear
    layers, matrix products, attention and recurrent layers.
    """

    params: int
    buffers: int
    weight_bytes: int  # of parameters and buffers, shared storage once
    peak_activation_bytes: int  # peak of live activations; input, weights and scratch memory of kernels excluded
    peak_module: str  # the module running then
    rows: tuple[OperationRow, ...] = field(repr=False)
    modules: tuple[ModuleRecord, ...] = field(repr=False)
    seconds: float = field(default=0.0, compare=False)
    assumption: str | None = None  # about data that the cost depends on
    never_called: tuple[str, ...] = ()  # paths of modules that the pass did not call, without modules inside them
    left_out: tuple[str, ...] = ()  # paths of modules that are excluded from the cost

    def assuming(self, assumption: str) -> Cost:
        """The same cost with one more assumption."""
        return replace(self, assumption="; ".join(filter(None, [self.assumption, assumption])))

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
        return macs_by_kind(self.rows)

    @property
    def activations(self) -> int:
        """Elements written by convolutions, linear layers, matrix products, attention and recurrent layers."""
        return sum(r.op.elements_out * r.calls for r in self.rows if r.op.kind in MATRIX_KINDS)

    @property
    def bytes_read(self) -> int:
        """Bytes of all operands of all operations, weights included: traffic without any cache."""
        return sum(r.op.bytes_in * r.calls for r in self.rows)

    @property
    def bytes_written(self) -> int:
        """Bytes of all results."""
        return sum(r.op.bytes_out * r.calls for r in self.rows)

    @property
    def operations(self) -> int:
        """Number of calls that compute or move data; views do not."""
        return sum(r.calls for r in self.rows)

    @property
    def uncounted(self) -> Counter[str]:
        """Calls of each operator without a formula, by its full name."""
        return uncounted_calls(self.rows)

    @property
    def status(self) -> Status:
        """`exact`, or `bound` where an operator could not be counted or something was assumed."""
        return Status.BOUND if self.reason else Status.EXACT

    @property
    def reason(self) -> str | None:
        """Why the cost is a bound; None where it is exact."""
        return "; ".join(filter(None, [self.assumption, why_uncounted(self.uncounted)])) or None

    def total(self, convention: str = "matmul", *, as_tool: bool = False) -> int:
        """The total in a convention, in its own unit (`zoo.counting.conventions`); no new count is needed.

        Args:
            convention: matmul, all, fvcore, ptflops-aten, ptflops-pytorch or weights-only.
            as_tool: the result of the tool itself, with its known defects.

        Raises:
            UnknownNameError: if there is no such convention.
        """
        return find_convention(convention).total(self.rows, as_tool=as_tool)

    def totals(self) -> dict[str, int]:
        """The totals in all conventions, by their own rules; many times faster than `total` for each, because equal calls share their results."""
        sums = [0] * len(_BY_ROW)
        for row in self.rows:
            weights = row.op.weights.get(row.module_class)
            if weights is None:
                one = row._replace(calls=1)
                weights = row.op.weights[row.module_class] = tuple([convention.weight(one) for convention in _BY_ROW])
            for i, weight in enumerate(weights):
                if weight:
                    sums[i] += weight * row.calls
        by_row = dict(zip([convention.name for convention in _BY_ROW], sums, strict=True))
        return {name: by_row[name] if name in by_row else convention.total(self.rows) for name, convention in CONVENTIONS.items()}

    def by_module(self, depth: int | None = None, convention: str = "matmul") -> pd.DataFrame:
        """Parameters, total, activations and calls of each module with all it contains, in the model's order.

        Args:
            depth: levels of modules shown; None for all.
            convention: that `macs` (or `flops`, if that is the convention's unit) is counted in.
        """
        chosen = find_convention(convention)
        amounts = {
            "params": [(module.path, module.params) for module in self.modules],
            chosen.unit.lower(): [(row.module, chosen.weight(row)) for row in self.rows],
            "activations": [(row.module, row.op.elements_out * row.calls) for row in self.rows if row.op.kind in MATRIX_KINDS],
            "calls": [(row.module, row.calls) for row in self.rows],
        }
        return sum_by_module(self.modules, amounts, depth)

    def by_operation(self, convention: str = "matmul") -> pd.DataFrame:
        """Total, elements, bytes and calls of each operator, the largest total first."""
        chosen = find_convention(convention)
        unit = chosen.unit.lower()
        frame = self.to_frame()
        frame[unit] = [chosen.weight(row) for row in self.rows]
        columns = [unit, "elements_in", "elements_out", "bytes_in", "bytes_out", "calls"]
        grouped: pd.DataFrame = frame.groupby(["operation", "kind"], as_index=False, sort=False)[columns].sum()
        return grouped.sort_values([unit, "bytes_out"], ascending=False, ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """One row for each operation of each module, as in the `ops` table; figures are those of all `calls` together."""
        import pandas as pd

        figures = ("macs", "elements_in", "elements_out", "bytes_in", "bytes_out")
        return pd.DataFrame(
            [
                {
                    "position": row.position,
                    "module": row.module,
                    "module_class": row.module_class,
                    "operation": row.op.operation,
                    "kind": row.op.kind.value,
                    "shapes": row.op.shapes,
                    "dtypes": row.op.dtypes,
                    "arguments": row.op.arguments,
                    "calls": row.calls,
                    **{name: getattr(row.op, name) * row.calls for name in figures},
                }
                for row in self.rows
            ]
        )

    def summary(self, *, digits: int = 2) -> dict[str, str]:
        """The totals as text: `{"MACs": "4.09 GMACs", …}`."""
        status = self.status.value + (f" ({self.reason})" if self.reason else "")
        return {
            "MACs": format_amount(self.macs, "MACs", digits=digits),
            "FLOPs": format_amount(self.flops, "FLOPs", digits=digits, like=self.macs),
            "Parameters": format_amount(self.params, digits=digits),
            "Weights": format_bytes(self.weight_bytes, digits=digits),
            "Activations": format_amount(self.activations, digits=digits),
            "Peak memory of activations": f"{format_bytes(self.peak_activation_bytes, digits=digits)}, in {self.peak_module or 'the model'}",
            "Status": status,
        }

    def __str__(self) -> str:
        width = max(map(len, self.summary()))
        totals = "\n".join(f"{name:<{width}}  {value}" for name, value in self.summary().items())
        return f"{totals}\n\n{_format_amounts(self.by_module(depth=2)).to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = _format_amounts(self.by_module(depth=2))
        names = [name.replace("_", " ") for name in table.columns]
        return html_totals(self.summary()) + html_table(names, table.to_numpy().tolist(), right=names[2:])

    def plot(self, depth: int = 1, *, convention: str = "matmul") -> Figure:
        """A bar of the MACs for each module, as a figure of matplotlib that a notebook shows.

        Args:
            depth: levels of modules. A module with modules inside has no bar of its own.
            convention: which operations are counted.
        """
        frame = self.by_module(depth, convention)
        unit = find_convention(convention).unit
        frame = frame[innermost(frame["module"])]
        shown = frame[frame[unit.lower()] > 0]
        title = f"{format_amount(self.total(convention), unit)}, {format_amount(self.params)} parameters"
        return draw_bars(title, shown["module"].tolist(), {unit: shown[unit.lower()].tolist()}, unit)


_BY_ROW = [convention for convention in CONVENTIONS.values() if type(convention) is Convention]
"""Conventions whose totals are sums over rows."""


def _format_amounts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with amounts as text with units."""
    amounts = [name for name in frame.columns if name in ("params", "macs", "flops", "activations")]
    return frame.assign(module=frame["module"].replace("", "(all)"), **{name: frame[name].map(format_amount) for name in amounts})
