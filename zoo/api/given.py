"""What a user gives to be counted: a model, and what it is called with, in the forms that one expects to work."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.export
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.counting.count_model import meta_input
from zoo.errors import InputError
from zoo.meta.new_tensors import META
from zoo.meta.programs.exported import ExportedModel, is_exported
from zoo.meta.programs.scripted import ScriptedModel


class Given(NamedTuple):
    """Positional and keyword arguments of `forward`."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def without_data(self) -> Given:
        """The same with tensors on the meta device; sparse ones would lose their entries there.

        Raises:
            InputError: if a tensor is nested and not jagged: torch tells nothing of its sizes.
        """

        def move(tensor: Tensor) -> Tensor:
            if tensor.is_nested and tensor.layout == torch.strided:
                raise InputError("A nested tensor of layout torch.strided cannot be counted. Make it with layout=torch.jagged.")
            if tensor.layout != torch.strided:
                return tensor
            return tensor.detach().to(META).requires_grad_(tensor.requires_grad)

        args, kwargs = pytree.tree_map_only(Tensor, move, (self.args, self.kwargs))
        return Given(args, kwargs)


def as_model(model: Any) -> nn.Module:
    """The module to be run: a compiled one as the module it was made from, a script or an exported program with its modules.

    Args:
        model: a module, an exported program, or the path of a file that `torch.export.save` or `torch.jit.save` wrote.

    Raises:
        InputError: if it is no model.
    """
    if isinstance(model, (str, Path)):
        model = load_program(Path(model))
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module(check_guards=False) if _CAN_SKIP_GUARDS else model.module()
    if isinstance(model, torch.jit.ScriptModule):
        return ScriptedModel(model)
    if is_exported(model):
        return ExportedModel(model)
    if isinstance(model, nn.Module):
        eager: nn.Module = getattr(model, "_orig_mod", model)
        return eager
    name = getattr(model, "__name__", type(model).__name__)
    if isinstance(model, type):
        raise InputError(f"{name} is a class: give a model made of it, such as {name}().")
    if callable(model):
        raise InputError(f"{name} is a function: give an nn.Module whose forward calls it.")
    raise InputError(f"{type(model).__name__} is no model: give an nn.Module.")


def load_program(path: Path) -> Any:
    """An exported program or a script from a file.

    Raises:
        InputError: if there is no such file, or it holds neither.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    for load in (torch.export.load, torch.jit.load):
        with contextlib.suppress(Exception):  # torch raises whatever its readers of archives do
            return load(path)
    raise InputError(f"{path} holds no program of torch.export.save or torch.jit.save; weights alone cannot be counted.")


def as_given(
    shape: Any, inputs: Any = None, kwargs: Mapping[str, Any] | None = None, *, batch: int = 1, dtype: torch.dtype = torch.float32
) -> Given:
    """What a model is called with; tensors made from shapes hold no data.

    Args:
        shape: of one input without the batch; or several shapes; or a tensor, or several; or any of these by the name of an argument.
        inputs: instead, positional arguments: tensors in any nesting.
        kwargs: keyword arguments.
        batch: put before every shape.
        dtype: of tensors made from shapes.

    Raises:
        InputError: if neither or both are given, nothing can be made of them, or the batch has no image.
    """
    if batch < 1:
        raise InputError(f"A batch has at least one input: batch={batch} has none.")
    if (shape is not None) == (inputs is not None or kwargs is not None):
        raise InputError("Give either a shape without the batch, such as (3, 224, 224), or inputs=(…) and kwargs={…}.")
    if shape is None:
        is_several = isinstance(inputs, (tuple, list))
        return Given(() if inputs is None else tuple(inputs) if is_several else (inputs,), dict(kwargs or {}))

    def make(one: Any) -> Any:
        return meta_input(one, batch=batch, dtype=dtype) if _is_shape(one) else one

    if isinstance(shape, Mapping) and all(_is_input(one) for one in shape.values()):
        return Given((), {str(name): make(one) for name, one in shape.items()})
    if isinstance(shape, int):
        return Given((make((shape,)),), {})
    if _is_input(shape):
        return Given((make(shape),), {})
    if isinstance(shape, (tuple, list)) and all(one is None or _is_input(one) for one in shape):
        return Given(tuple(make(one) for one in shape), {})
    raise InputError(
        f"Nothing can be made of the input {_shown(shape)}. Give a shape without the batch, such as (3, 224, 224), "
        "a tensor, several of either, or inputs=(…)."
    )


def _is_shape(value: Any) -> bool:
    is_plain = isinstance(value, (tuple, list, torch.Size)) and not isinstance(value, Tensor)
    return is_plain and all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in value)


def _is_input(value: Any) -> bool:
    return isinstance(value, Tensor) or _is_shape(value)


def _shown(value: Any) -> str:
    """A value on one line, cut where it is long."""
    if type(value).__module__.partition(".")[0] == "numpy":
        return "of numpy (torch.from_numpy makes a tensor of it)"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}…"


Model = nn.Module | torch.export.ExportedProgram | Path | str
"""Forms of `model`; a path is that of a file of a program."""

_CAN_SKIP_GUARDS = "check_guards" in inspect.signature(torch.export.ExportedProgram.module).parameters

Shapes = int | Sequence[Any] | Mapping[str, Any] | Tensor
"""Forms of `shape`."""
