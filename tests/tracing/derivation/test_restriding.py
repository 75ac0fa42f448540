"""Outcomes on channels-last images are those of running the calls on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models_for_tests import on_meta
from torch import Tensor

from zoo.tracing.derivation.call_types import CallOutcome, Template, TypeTable
from zoo.tracing.derivation.restriding import FOLLOW_IMAGES

_aten = torch.ops.aten
SHAPE = (3, 4, 5, 6)
TWO = ("add", "add_", "mul", "mul_", "sub", "div")


def half(*shape: int) -> Tensor:
    return on_meta(*shape).half()


def channels_last(tensor: Tensor) -> Tensor:
    return tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def arguments(packet: Any) -> list[tuple[Any, ...]]:
    """Calls of an operator on images, convolutions also on a single channel and on a kernel of one position."""
    name = packet.__name__
    if name == "conv2d":
        of_one = (half(*SHAPE), half(4, 1, 3, 3), None, [1, 1], [1, 1], [1, 1], 4)
        return [of_one, (half(*SHAPE), half(8, 4, 1, 1), half(8)), (half(*SHAPE), half(8, 4, 3, 3), half(8), [2, 2], [1, 1])]
    if name == "batch_norm":
        return [(half(*SHAPE), half(4), half(4), half(4), half(4), False, 0.1, 1e-5, True)]
    if name in TWO:
        return [(half(*SHAPE), other) for other in (half(*SHAPE), half(3, 4, 1, 1), half(4, 1, 1), 2.0)]
    return [(half(*SHAPE),)]


def outcomes(table: TypeTable, packet: Any, args: tuple[Any, ...]) -> tuple[Template, tuple[int, ...], CallOutcome]:
    """What the table says of a call on channels-last images, after the same on contiguous ones."""
    overload = "default" if packet.__name__ not in TWO else "Tensor" if isinstance(args[1], Tensor) else "Scalar"
    operator = table.operator(getattr(packet, overload))
    template = table.template(operator, args, {})
    given = [tensor for tensor in args if isinstance(tensor, Tensor)]
    table.outcome(template, tuple([table.number_of(tensor) for tensor in given]))
    types = tuple([table.number_of(channels_last(tensor)) for tensor in given])
    return template, types, table.outcome(template, types)


@pytest.mark.parametrize("packet", sorted(FOLLOW_IMAGES, key=str), ids=str)
def test_calls_on_channels_last_images_are_as_if_they_were_run(packet: Any) -> None:
    for args in arguments(packet):
        table = TypeTable()
        template, types, found = outcomes(table, packet, args)
        run = table._run(template, types)
        assert found.planar is not None
        assert (found.types, found.sources, found.nbytes) == (run.types, run.sources, run.nbytes)
        assert (found.call, found.pattern) == (run.call, run.pattern)


@pytest.mark.parametrize("shape", [(3, 1, 5, 6), (3, 4, 1, 1), (3, 4, 5), (0, 4, 5, 6)], ids=str)
def test_what_is_not_certainly_an_image_is_run(shape: tuple[int, ...]) -> None:
    _, _, found = outcomes(TypeTable(), _aten.sigmoid, (half(*shape),))
    assert found.planar is None


def test_a_contiguous_image_beside_a_channels_last_one_is_run() -> None:
    table, args = TypeTable(), (half(*SHAPE), half(*SHAPE))
    template = table.template(table.operator(_aten.add.Tensor), args, {})
    contiguous, last = table.number_of(args[0]), table.number_of(channels_last(args[0]))
    table.outcome(template, (contiguous, contiguous))
    assert table.outcome(template, (last, contiguous)).planar is None
