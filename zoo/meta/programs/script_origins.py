"""Finds the module of each operation of a script.

A node names the modules that were called to reach it, but not the lists that contain them: `0(Block).conv(Conv2d)` may be in `stem.0` or in
`layers.0`. The weights of an operation identify its module; an operation without weights is assigned to the module found last for its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

_UNKNOWN = frozenset({"SELF", "UNKNOWN_INSTANCE"})


def called_modules(node: Any) -> list[tuple[str, str]]:
    """Names and classes of the modules that were called to reach a node, from the outside in."""
    parts = re.findall(r"([^.()]+)\(([^()]*)\)", node.getModuleHierarchy())
    return [(name, kind) for name, kind in parts if name not in _UNKNOWN]


class Origins:
    """Paths of modules for the nodes of one pass."""

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._paths = {id(module): path for path, module in root.named_modules()}
        self._owners: dict[int, str] = {}  # of weights, by identity
        self._known: dict[tuple[str, ...], str] = {}  # the last path of a chain of names

    def note_owner(self, tensor: Any, owner: nn.Module) -> None:
        """Notes the module of a weight."""
        if isinstance(tensor, Tensor):
            self._owners[id(tensor)] = self._paths.get(id(owner), "")

    def path(self, node: Any, args: Sequence[Any]) -> str:
        """The path of a node's module; empty for the model itself."""
        names = tuple(name for name, _ in called_modules(node))
        if not names:
            return ""
        owner = next((self._owners[id(value)] for value in args if id(value) in self._owners), "")
        if owner.rpartition(".")[2] == names[-1]:
            self._note_paths(names, owner)
            return owner
        return self._find_path(names)

    def _note_paths(self, names: tuple[str, ...], path: str) -> None:
        """Aligns a chain of names with a path, from its end."""
        pieces = path.split(".")
        for length in range(len(names), 0, -1):
            while pieces and pieces[-1] != names[length - 1]:
                pieces.pop()
            if not pieces:
                return
            self._known[names[:length]] = ".".join(pieces)
            pieces = pieces[:-1]

    def _find_path(self, names: tuple[str, ...]) -> str:
        known = next((length for length in range(len(names), 0, -1) if names[:length] in self._known), 0)
        path = self._known[names[:known]] if known else ""
        for name in names[known:]:
            module = next(_modules_named(name, self._root.get_submodule(path)), None)
            if module is None:
                return path
            path = self._paths[id(module)]
        return path


def _modules_named(name: str, module: nn.Module) -> Iterator[nn.Module]:
    """Modules of this name in a module, also in lists and dictionaries of modules, which are never called themselves."""
    if (child := module._modules.get(name)) is not None:
        yield child
    for child in module._modules.values():
        if child is not None and type(child).__name__ in {"ModuleList", "ModuleDict"}:
            yield from _modules_named(name, child)
