"""Ways to count a model: what a pass has beside shapes, tried with the least first."""

from __future__ import annotations

from typing import NamedTuple

from zoo.errors import ZooError, message_of

_SIGNS_OF_VALUES = "meta fake data-dependent item() numpy nested sparse flexattention storage unbacked higherorder".split()
_SIGNS_OF_GRADIENTS = ("does not require grad", "does not have a grad_fn", "appears to not have been used in the graph")


class Way(NamedTuple):
    """What a pass has: tensors with values, on the CPU; gradients, for a model whose forward pass differentiates."""

    has_values: bool = False
    has_gradients: bool = False

    def after(self, error: Exception) -> Way | None:
        """The way that also has what a model failed for, or None."""
        if isinstance(error, ZooError):  # that a user reads, whatever words it has
            return None
        if not self.has_gradients and needs_gradients(error):
            return self._replace(has_gradients=True)
        if not self.has_values and needs_values(error):
            return self._replace(has_values=True)
        return None


def needs_values(error: Exception) -> bool:
    """Whether a model failed because its tensors held no values, by what torch says then."""
    said = f"{type(error).__name__} {message_of(error)}".lower()
    return isinstance(error, NotImplementedError) or any(sign in said for sign in _SIGNS_OF_VALUES)


def needs_gradients(error: Exception) -> bool:
    """Whether a model failed because autograd had recorded nothing that it could differentiate, by what torch says then."""
    return isinstance(error, RuntimeError) and any(sign in message_of(error) for sign in _SIGNS_OF_GRADIENTS)
