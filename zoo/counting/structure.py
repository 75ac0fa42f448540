"""What a module computes, as a number: equal for modules that do the same with equal inputs.

Two modules have the same structure where their classes, plain attributes, parameters, buffers and modules inside are alike, apart
from the numbers in floating-point tensors, which a count does not see. A module of a class that is not in one of `LIBRARIES`, or with
anything else among its attributes (an object of some other kind, a hook, a tensor that is not registered), has no structure, and
neither has any module around it.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from operator import itemgetter
from typing import Any, NamedTuple

from torch import Tensor, nn

from zoo.counting.recipes import CONSTANT, OutOfTheOrdinaryError, comparable

LIBRARIES = frozenset({"torch", "torchvision", "timm"})
"""Whose modules depend on nothing but themselves and their arguments, as long as nobody configures the libraries otherwise."""

_REGISTERED = frozenset({"_parameters", "_buffers", "_modules"})
_CONTAINERS = frozenset({dict, OrderedDict, list, set})
_MOST_VALUES = 10_000
"""Whole numbers in a buffer that are compared; their values can decide what a module does."""


class _Form(NamedTuple):
    """What modules of a class have in common that hold attributes of the same names and types. Attributes are named by position."""

    names: tuple[str, ...]
    kinds: tuple[type, ...]
    forward: Any
    number: int
    constants: itemgetter[Any]
    containers: itemgetter[Any]
    others: itemgetter[Any] | None
    compared: dict[Any, Any]  # values of the others that were found plain, as they can be compared


class Structures:
    """Numbers given to the structures met so far."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._forms: defaultdict[type, list[_Form]] = defaultdict(list)
        self._count = 0  # of forms

    def of(self, module: nn.Module, inside: tuple[int | None, ...]) -> int | None:
        """The structure of a module, given those of the modules inside it; None if it has none.

        `inside` has an entry for each entry of the module's `_modules`: 0 for one that is None. Written for speed: models have
        hundreds of modules, and each is looked at before every pass.
        """
        if None in inside:
            return None
        held = module.__dict__
        values = tuple(held.values())
        form = self._form_of(module.__class__, tuple(held), tuple(map(type, values)))
        if form is None:
            return None
        state: list[Any] = [form.number, form.constants(values)]
        if inside:
            state += (inside, *held["_modules"])
        try:
            for name, tensor in (*held["_parameters"].items(), *held["_buffers"].items()):
                state += (name, _described(tensor))
            if form.others is not None:
                state.append(_compared(form.others(values), form.compared))
            if any(contents := form.containers(values)):
                state += [(i, comparable(tuple(c.items() if isinstance(c, dict) else c))) for i, c in enumerate(contents) if c]
        except OutOfTheOrdinaryError:
            return None
        return self._numbers.setdefault(tuple(state), len(self._numbers) + 1)

    def _form_of(self, kind: type, names: tuple[str, ...], kinds: tuple[type, ...]) -> _Form | None:
        """None for a class that is not of one of the libraries, and for modules without what `nn.Module` gives them."""
        forward = kind.forward  # type: ignore[attr-defined]  # that of a class may be exchanged
        for form in self._forms[kind]:
            if kinds == form.kinds and names == form.names and forward is form.forward:
                return form
        new = self._new_form(kind, names, kinds, forward)
        if new is not None:
            self._forms[kind].append(new)
        return new

    def _new_form(self, kind: type, names: tuple[str, ...], kinds: tuple[type, ...], forward: Any) -> _Form | None:
        constants, containers, other = [], [], []
        for i, (name, each) in enumerate(zip(names, kinds, strict=True)):
            if each in CONSTANT:
                constants.append(i)
            elif each not in _CONTAINERS:
                other.append(i)
            elif name not in _REGISTERED:
                containers.append(i)
        if not is_of_a_library(kind) or len(constants) < 2 or len(containers) < 2:  # so that both getters give tuples
            return None
        self._count += 1
        others = itemgetter(*other) if other else None
        return _Form(names, kinds, forward, self._count, itemgetter(*constants), itemgetter(*containers), others, {})


def _compared(values: Any, known: dict[Any, Any]) -> Any:
    """`comparable` of plain values that are mostly the same ones; equal numbers of different types in tuples count as the same."""
    try:
        if (found := known.get(values)) is None:
            found = known[values] = comparable(values)
    except TypeError:
        raise OutOfTheOrdinaryError from None
    return found


@functools.cache
def is_of_a_library(kind: type) -> bool:
    """Whether a class is defined in one of `LIBRARIES`."""
    return kind.__module__.partition(".")[0] in LIBRARIES


def _described(tensor: Tensor | None) -> Any:
    """All of a tensor that a count can see."""
    if tensor is None:
        return None
    if tensor.is_meta:
        return tensor.shape, tensor.dtype, tensor.is_contiguous() or tensor.stride()
    if tensor.is_floating_point() or tensor.is_complex() or tensor.numel() > _MOST_VALUES or tensor.device.type != "cpu":
        raise OutOfTheOrdinaryError
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.numpy().tobytes()
