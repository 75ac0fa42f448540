"""Modes of a pass: without values and gradients where that is enough, else with what the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from zoo.errors import ZooError, message_of

_SIGNS_OF_VALUES = "meta fake data-dependent item() numpy nested sparse flexattention storage unbacked higherorder".split()
_SIGNS_OF_GRADIENTS = ("does not require grad", "does not have a grad_fn", "appears to not have been used in the graph")

Result = TypeVar("Result")


class PassMode(NamedTuple):
    """What the tensors of a pass have."""

    has_values: bool = False  # on the CPU, for a model whose work depends on them
    has_gradients: bool = False  # for a model whose forward pass differentiates

    def after(self, error: Exception) -> PassMode | None:
        """The mode that also has what was missing according to an error, or None."""
        if isinstance(error, ZooError):  # a message for the user, whatever words it contains
            return None
        if not self.has_gradients and needs_gradients(error):
            return self._replace(has_gradients=True)
        if not self.has_values and needs_values(error):
            return self._replace(has_values=True)
        return None


def run_in_simplest_mode(run: Callable[[PassMode], Result], *, raises_first_error: bool = False) -> Result:
    """Runs a pass without values and gradients, and again with what is missing, until it succeeds.

    Args:
        run: runs the pass in a mode.
        raises_first_error: if all modes fail, raise the error of the first one, unless the last one is a `ZooError` or a lack of memory.

    Raises:
        Exception: what the last pass raised, or the first.
    """
    mode, first = PassMode(), None
    while True:
        try:
            return run(mode)
        except Exception as error:
            following = mode.after(error)
            if following is None:
                if not raises_first_error or first is None or isinstance(error, ZooError) or is_out_of_memory(error):
                    raise
                raise first from error
            mode, first = following, first or error.with_traceback(None)  # whose frames would keep all tensors alive


def needs_values(error: Exception) -> bool:
    """Whether a model failed because its tensors held no values, according to torch's message."""
    text = f"{type(error).__name__} {message_of(error)}".lower()
    return isinstance(error, NotImplementedError) or any(sign in text for sign in _SIGNS_OF_VALUES)


def needs_gradients(error: Exception) -> bool:
    """Whether a model failed because autograd was off, according to torch's message."""
    return isinstance(error, RuntimeError) and any(sign in message_of(error) for sign in _SIGNS_OF_GRADIENTS)


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or torch could not allocate memory."""
    return isinstance(error, MemoryError) or "allocate memory" in message_of(error)
