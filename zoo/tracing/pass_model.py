"""A model that several passes are recorded of, with what is the same in all of them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from torch import nn

from zoo.meta.module_stack import Snapshot, list_parts


class PassModel:
    """A model in evaluation mode. Nothing may change it between its passes; what a pass changes is put back.

    Args:
        model: on any device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.module = model
        self.parts = list_parts(model)
        self._snapshot = Snapshot(model)

    def unchanged(self) -> AbstractContextManager[list[nn.Module]]:
        """Puts back what a pass changes (see `zoo.meta.module_stack.unchanged`)."""
        return self._snapshot.kept()
