"""The cost of one step of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from zoo.counting.rows import OperationRow, sum_by_module, uncounted_calls, why_uncounted
from zoo.errors import UnknownNameError, did_you_mean
from zoo.meta.module_stack import ModuleRecord
from zoo.notebook import draw_bars, html_totals, innermost
from zoo.operators.backward_table import recomputed_scores_macs
from zoo.operators.operator_kinds import Kind
from zoo.operators.shape_text import parse_shapes
from zoo.records import Status
from zoo.training.optimizers import OptimizerCost
from zoo.units import FLOPS_PER_MAC, format_amount, format_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class PhaseCost(NamedTuple):
    """The forward or the backward pass: a row for each operation of each module, and its peak of memory."""

    rows: tuple[OperationRow, ...]
    peak_bytes: int  # of all tensors made in the step; weights, input and optimiser state excluded
    peak_module: str  # the module whose operation reached the peak

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the `matmul` convention."""
        return sum(row.op.macs * row.calls for row in self.rows)


@dataclass(frozen=True)
class TrainingCost:
    """The cost of one step of training: a forward pass in training mode, the gradients of a scalar, and the optimiser's step.

    MACs are those of the `matmul` convention: sums of products in both passes. Bytes are those of tensors, before any allocator's
    rounding; scratch memory inside kernels depends on the backend and is excluded.
    """

    params: int
    trainable_params: int
    weight_bytes: int  # of parameters and buffers, shared storage once
    input_bytes: int  # of the batch
    gradient_bytes: int  # of all parameters that get a gradient
    forward: PhaseCost = field(repr=False)
    backward: PhaseCost = field(repr=False)
    saved_bytes_by_module: Mapping[str, int] = field(repr=False)
    kept_bytes: int  # alive between the backward pass and the optimiser's step: gradients and outputs
    optimizers: Mapping[str, OptimizerCost]
    modules: tuple[ModuleRecord, ...] = field(repr=False)
    never_called: tuple[str, ...]  # modules with a `forward` that the pass did not call, by path
    seconds: float = field(default=0.0, compare=False)

    @property
    def macs(self) -> int:
        """MACs of both passes."""
        return self.forward.macs + self.backward.macs

    @property
    def flops(self) -> int:
        """Two for each MAC."""
        return FLOPS_PER_MAC * self.macs

    @property
    def repeated_attention_macs(self) -> int:
        """Products of the scores that fused attention computes again in the backward pass, which `macs` does not include.

        The gradient of attention has twice the products of its forward pass. A fused kernel does not save the scores and computes them
        again, which makes 2.5 times, as FlopCounterMode counts the kernels of GPUs.
        """
        attention = [row for row in self.backward.rows if row.op.kind == Kind.ATTENTION]
        shapes = [parse_shapes(row.op.shapes) for row in attention]
        return sum(row.calls * recomputed_scores_macs(s.input(1), s.input(2)) for row, s in zip(attention, shapes, strict=True))

    @property
    def saved_bytes(self) -> int:
        """Bytes that autograd saves for the backward pass, the input included; parameters and buffers excluded."""
        return sum(self.saved_bytes_by_module.values())

    def optimizer_state_bytes(self, optimizer: str = "adamw") -> int:
        """Bytes of the optimiser's state between steps.

        Raises:
            UnknownNameError: if there is no such optimiser.
        """
        return self._find_optimizer(optimizer).state_bytes

    def step_bytes(self, optimizer: str = "adamw", *, foreach: bool = False) -> int:
        """Peak of memory of a step: weights, input, optimiser state, and the peak of all other tensors.

        It is the maximum between operations over the forward pass, the backward pass and the optimiser's step, from the second step on,
        when the state exists. Gradients are freed before the forward pass, as by `zero_grad`.

        Args:
            optimizer: sgd, sgd-momentum, adam or adamw.
            foreach: the optimiser updates all parameters together, as by default on a GPU, instead of one after another.

        Raises:
            UnknownNameError: if there is no such optimiser.
        """
        cost = self._find_optimizer(optimizer)
        temporary = cost.foreach_bytes if foreach else cost.temporary_bytes
        transient = max(self.forward.peak_bytes, self.backward.peak_bytes, self.kept_bytes + temporary)
        return self.weight_bytes + self.input_bytes + cost.state_bytes + transient

    @property
    def uncounted(self) -> Counter[str]:
        """Calls of each operator without a formula, in both passes."""
        return uncounted_calls((*self.forward.rows, *self.backward.rows))

    @property
    def status(self) -> Status:
        """`exact`, or `bound` where an operator could not be counted."""
        return Status.BOUND if self.uncounted else Status.EXACT

    @property
    def reason(self) -> str | None:
        """Why the cost is a bound; None where it is exact."""
        return why_uncounted(self.uncounted)

    def by_module(self, depth: int | None = None) -> pd.DataFrame:
        """Parameters, MACs of each pass and saved bytes of each module with all it contains, in the model's order.

        Args:
            depth: levels of modules shown; None for all.
        """
        amounts = {
            "params": [(module.path, module.params) for module in self.modules],
            "forward_macs": [(row.module, row.op.macs * row.calls) for row in self.forward.rows],
            "backward_macs": [(row.module, row.op.macs * row.calls) for row in self.backward.rows],
            "saved_bytes": self.saved_bytes_by_module.items(),
        }
        return sum_by_module(self.modules, amounts, depth)

    def summary(self, *, digits: int = 2) -> dict[str, str]:
        """The totals as text: `{"MACs": "12.27 GMACs", …}`."""
        memory = {
            f"Memory of a step with {name}": f"{format_bytes(self.step_bytes(name), digits=digits)}, "
            f"of it state {format_bytes(cost.state_bytes, digits=digits)}"
            for name, cost in self.optimizers.items()
        }
        return {
            "MACs": format_amount(self.macs, "MACs", digits=digits),
            "MACs forward": format_amount(self.forward.macs, "MACs", digits=digits),
            "MACs backward": format_amount(self.backward.macs, "MACs", digits=digits),
            "Trainable parameters": f"{format_amount(self.trainable_params, digits=digits)} of {format_amount(self.params, digits=digits)}",
            "Saved for the backward pass": format_bytes(self.saved_bytes, digits=digits),
            "Gradients": format_bytes(self.gradient_bytes, digits=digits),
            **memory,
            "Modules never called": ", ".join(self.never_called) or "none",
            "Status": self.status.value + (f" ({self.reason})" if self.reason else ""),
        }

    def __str__(self) -> str:
        width = max(map(len, self.summary()))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.summary().items())

    def _repr_html_(self) -> str:
        return html_totals(self.summary())

    def plot(self, depth: int = 1) -> Figure:
        """A bar of the MACs of both passes for each module, as a figure of matplotlib that a notebook shows.

        Args:
            depth: levels of modules. A module with modules inside has no bar of its own.
        """
        frame = self.by_module(depth)
        frame = frame[innermost(frame["module"])]
        shown = frame[frame["forward_macs"] + frame["backward_macs"] > 0]
        series = {"forward": shown["forward_macs"].tolist(), "backward": shown["backward_macs"].tolist()}
        title = f"{format_amount(self.macs, 'MACs')} a step, {format_bytes(self.step_bytes(next(iter(self.optimizers))))}"
        return draw_bars(title, shown["module"].tolist(), series, "MACs")

    def _find_optimizer(self, name: str) -> OptimizerCost:
        if name not in self.optimizers:
            raise UnknownNameError(f"The memory of an optimiser '{name}' was not counted.{did_you_mean(name, self.optimizers)}")
        return self.optimizers[name]
