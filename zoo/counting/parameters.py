"""The parameters of a model, counted without running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from zoo.counting.count_model import storage_bytes
from zoo.counting.rows import sum_by_module
from zoo.units import format_amount, format_bytes

if TYPE_CHECKING:
    import pandas as pd


class ModuleParameters(NamedTuple):
    """The tensors of one module, without the modules inside it. Shared tensors belong to the first module that has them."""

    path: str
    module_class: str
    trainable: int
    frozen: int
    buffers: int


@dataclass(frozen=True)
class ParameterCounts:
    """Elements and bytes of a model's parameters and buffers, each shared one once."""

    trainable: int  # elements of parameters that require a gradient
    frozen: int  # of the others
    buffers: int  # elements of buffers, such as running statistics
    weight_bytes: int  # of parameters and buffers together
    modules: tuple[ModuleParameters, ...] = field(repr=False)

    @property
    def total(self) -> int:
        """Elements of all parameters."""
        return self.trainable + self.frozen

    def by_module(self, depth: int | None = None) -> pd.DataFrame:
        """Trainable and frozen parameters and buffers of each module with all it contains, in the model's order.

        Args:
            depth: levels of modules shown; None for all.
        """
        amounts = {
            name: [(module.path, getattr(module, name)) for module in self.modules] for name in ("trainable", "frozen", "buffers")
        }
        return sum_by_module(self.modules, amounts, depth)

    def __str__(self) -> str:
        return (
            f"{format_amount(self.total)} parameters, of them {format_amount(self.trainable)} trainable; "
            f"{format_bytes(self.weight_bytes)} with {format_amount(self.buffers)} elements of buffers"
        )


def count_parameters(model: nn.Module) -> ParameterCounts:
    """The parameters of a model on any device, without an input: nothing is run.

    Parameters of lazy modules have no size before the first input and count as 0.
    """
    seen: set[int] = set()
    modules, tensors = [], []
    for path, module in model.named_modules():
        counts = {"trainable": 0, "frozen": 0, "buffers": 0}
        held = [(p, "trainable" if p is not None and p.requires_grad else "frozen") for p in module._parameters.values()]
        for tensor, kind in [*held, *((buffer, "buffers") for buffer in module._buffers.values())]:
            if tensor is None or id(tensor) in seen or nn.parameter.is_lazy(tensor):
                continue
            seen.add(id(tensor))
            tensors.append(tensor)
            counts[kind] += tensor.numel()
        modules.append(ModuleParameters(path, type(module).__name__, **counts))
    return ParameterCounts(
        trainable=sum(m.trainable for m in modules),
        frozen=sum(m.frozen for m in modules),
        buffers=sum(m.buffers for m in modules),
        weight_bytes=storage_bytes(tensors),
        modules=tuple(modules),
    )
