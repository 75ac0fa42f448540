"""A model that several passes are recorded of, with what is the same in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from torch import nn

from zoo.meta.module_stack import Snapshot, list_parts
from zoo.tracing.structure import Structures


class PassModel:
    """A model in evaluation mode. Nothing may change it between its passes; what a pass changes is put back.

    Args:
        model: on any device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.module = model
        self.parts = list_parts(model)
        self._snapshot = Snapshot(model)
        self._structures: tuple[Structures, int, Mapping[int, int]] | None = None

    def unchanged(self) -> AbstractContextManager[list[nn.Module]]:
        """Puts back what a pass changes (see `zoo.meta.module_stack.unchanged`)."""
        return self._snapshot.kept()

    def structures(self, table: Structures) -> Mapping[int, int]:
        """The structures of its modules (see `Structures.of_model`)."""
        known = self._structures
        if known is None or known[0] is not table or known[1] != len(table.changing):
            known = self._structures = table, len(table.changing), table.of_model(self.module)
        return known[2]
