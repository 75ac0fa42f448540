"""Inputs of models, written as text and without the batch.

An input is one tensor or several, joined by semicolons: `[name=]shape[:dtype]`. `3x224x224` is one of float32, `3x224x224;77:int64`
are two, and `image=3x224x224;tokens=77:int64` the same as keyword arguments. The shape `scalar` is one number per element of the batch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from zoo.errors import InputError

DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
"""Dtypes of an input's tensors, the default first."""

_SCALAR = "scalar"
_MOST_DIGITS = 9  # of a dimension: torch's shapes are integers of 64 bits


class TensorInput(NamedTuple):
    """One tensor of an input."""

    shape: tuple[int, ...]
    dtype: str = DTYPES[0]
    name: str | None = None  # of the keyword argument; None: it is passed by position

    def __str__(self) -> str:
        shape = format_input(self.shape) or _SCALAR
        return (f"{self.name}=" if self.name else "") + shape + (f":{self.dtype}" if self.dtype != DTYPES[0] else "")


def parse_input(text: str) -> tuple[int, ...]:
    """The shape written as `3x224x224`.

    Raises:
        InputError: if the text is not positive whole numbers joined by `x`.
    """
    parts = text.strip().lower().split("x")
    if not all(part.isdecimal() and len(part) <= _MOST_DIGITS and int(part) > 0 for part in parts):
        raise InputError(f"'{text}' is not an input shape. Write whole numbers joined by x, without the batch: 3x224x224.")
    return tuple(int(part) for part in parts)


def format_input(shape: tuple[int, ...]) -> str:
    """`3x224x224` for (3, 224, 224)."""
    return "x".join(str(size) for size in shape)


@functools.lru_cache(maxsize=4_096)
def parse_tensors(text: str) -> tuple[TensorInput, ...]:
    """The tensors of an input.

    Raises:
        InputError: if a tensor cannot be parsed, a dtype is unknown, a name repeats, or an unnamed tensor follows a named one.
    """
    tensors = tuple(_parse_tensor(part.strip()) for part in text.split(";"))
    names = [tensor.name for tensor in tensors]
    given = [name for name in names if name is not None]
    if len(set(given)) < len(given) or None in names[len(names) - len(given) :]:
        raise InputError(f"In '{text}' each name may stand once, and tensors without a name come first.")
    return tensors


def _parse_tensor(text: str) -> TensorInput:
    name, equals, rest = (part.strip() for part in text.rpartition("="))
    shape, colon, dtype = (part.strip() for part in rest.partition(":"))
    if (equals and not name.isidentifier()) or (colon and dtype not in DTYPES):
        raise InputError(f"'{text}' is not a tensor. Write shape, shape:dtype or name=shape:dtype; dtypes: {', '.join(DTYPES)}.")
    if equals and shape == "0":  # a named list may be empty: `proposals=0`
        size: tuple[int, ...] = (0,)
    else:
        size = () if shape == _SCALAR else parse_input(shape)
    return TensorInput(size, dtype or DTYPES[0], name or None)


def format_tensors(tensors: Iterable[TensorInput]) -> str:
    """The canonical text of an input."""
    return ";".join(map(str, tensors))


def resize_input(size: str | int, native: str) -> str:
    """Applies a configured size to a native input.

    `224` makes the last two dimensions of the image square, `384x512` sets height and width, and a shape with as many numbers as the
    native one (`3x224x224`) replaces it. Other tensors do not change. A size of several tensors replaces the whole input.

    Raises:
        InputError: if the size does not fit the native input.
    """
    requested, tensors = parse_tensors(str(size)), parse_tensors(native)
    if len(requested) > 1 or requested[0] != TensorInput(requested[0].shape):
        return format_tensors(requested)
    new, shape = requested[0].shape, tensors[_image_position(tensors)].shape
    if len(new) != len(shape):
        if len(new) not in (1, 2) or len(shape) < 3:
            raise InputError(f"Input '{size}' does not fit a model that takes {native}.")
        new = (*shape[:-2], *(new * 2)[:2])
    return _with_image(tensors, new)


def with_channels(input: str, channels: int) -> str:
    """The input with another number of channels, the first dimension of its image."""
    return _with_image(parse_tensors(input), (channels, *image_tensor(input).shape[1:]))


def image_tensor(input: str) -> TensorInput:
    """The tensor that sizes apply to: the first with at least three dimensions, or the first of all."""
    tensors = parse_tensors(input)
    return tensors[_image_position(tensors)]


def _image_position(tensors: Sequence[TensorInput]) -> int:
    return next((i for i, tensor in enumerate(tensors) if len(tensor.shape) >= 3), 0)


def _with_image(tensors: Sequence[TensorInput], shape: tuple[int, ...]) -> str:
    position = _image_position(tensors)
    return format_tensors([t._replace(shape=shape) if i == position else t for i, t in enumerate(tensors)])
