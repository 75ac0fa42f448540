"""The structure of modules as numbers: modules with equal ones do the same with the same arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from zoo.meta.module_recipes import CONSTANT, NotReusableError, all_comparable, comparable
from zoo.tracing.pass_model import PassModel

TENSOR_PLACES = ("_parameters", "_buffers")
_LIBRARIES = frozenset({"torch", "torchvision", "timm"})
"""Their modules depend on their arguments and attributes alone."""

_CONTAINERS = frozenset({dict, OrderedDict, list, set})
_COMMON = frozenset(nn.Module().__dict__)
_HOOKS = tuple(name for name in _COMMON if name.endswith("hooks") and "state_dict" not in name)


class Structures:
    """Structures met so far."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self.changing: set[type] = set()  # classes whose modules change in a pass
        self._of_models: WeakKeyDictionary[PassModel, tuple[int, Mapping[int, int]]] = WeakKeyDictionary()

    def of_model(self, model: PassModel) -> Mapping[int, int]:
        """The structures of all modules of a model by identity, but of those that have something out of the ordinary inside."""
        changing, known = len(self.changing), self._of_models.get(model)
        if known is None or known[0] != changing:
            found: dict[int, int | None] = {}
            self._visit(model.module, found, set())
            known = self._of_models[model] = changing, {module: n for module, n in found.items() if n is not None}
        return known[1]

    def _visit(self, module: Any, found: dict[int, int | None], tensors: set[int]) -> int | None:
        if id(module) in found:
            return None  # a module in two places: none that has both is like one that has not
        found[id(module)] = None
        children = [(name, None if m is None else self._visit(m, found, tensors) or -1) for name, m in module._modules.items()]
        try:
            key = self._describe(module, tensors)
        except NotReusableError:
            return None
        if any(number == -1 for _, number in children):
            return None
        number = found[id(module)] = self._numbers.setdefault((key, tuple(children)), len(self._numbers) + 1)
        return number

    def _describe(self, module: nn.Module, tensors: set[int]) -> Any:
        kind, held = type(module), module.__dict__
        is_plain = kind.__module__.partition(".")[0] in _LIBRARIES and kind not in self.changing
        if not is_plain or any(map(held.__getitem__, _HOOKS)):
            raise NotReusableError
        names = [name for name in held if name not in _COMMON]
        values = [held[name] for name in names]
        kinds = tuple(map(type, values))
        if not CONSTANT.issuperset(kinds):
            values = [_comparable(value) for value in values]
        weights = [held[place] and _describe_weights(held[place], tensors) for place in TENSOR_PLACES]
        return kind, held["training"], tuple(names), kinds, tuple(values), *map(tuple, weights)


def _describe_weights(held: dict[str, Tensor | None], seen: set[int]) -> list[Any]:
    described: list[Any] = []
    for name, tensor in held.items():
        if tensor is None:
            described.append((name,))
            continue
        if id(tensor) in seen or not tensor.is_meta:
            raise NotReusableError
        seen.add(id(tensor))
        described.append((name, type(tensor), tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad))
    return described


def _comparable(value: Any) -> Any:
    kind = type(value)
    if kind not in _CONTAINERS:
        return comparable(value)
    if isinstance(value, dict):
        return kind, all_comparable(tuple(value)), all_comparable(tuple(value.values()))
    return kind, all_comparable(tuple(value))


def inner_modules(module: nn.Module) -> list[nn.Module]:
    """A module and all inside it, in the same order for modules of one structure."""
    found: list[nn.Module] = []
    pending = [module]
    while pending:
        one = pending.pop()
        found.append(one)
        pending.extend([child for child in one._modules.values() if child is not None])
    return found
