"""Where declared models come from: a registry in a module, a whole module, or a folder.

`package.module:REGISTRY` is a mapping of names to constructors, a list of these, or a function that gives one. `package.module` is
the module itself: its public functions and networks. `path/to/folder` is a folder of models, as `zoo.adapters.folders` has it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from zoo.adapters.folders import is_folder, models_of_folder, untrained
from zoo.adapters.targets import import_module, import_target
from zoo.errors import ZooError


def open_source(source: str) -> dict[str, Any]:
    """The names in a source with their constructors; None for those without one.

    Raises:
        UnknownNameError: if there is no such module, attribute or folder.
        MissingLibraryError: if a folder needs a package that is not installed.
        ZooError: if it holds no models.
    """
    if is_folder(source):
        return dict(models_of_folder(source))
    if ":" not in source:
        return _models_of_module(import_module(source))
    return _models_of_registry(source, import_target(source))


def _models_of_registry(source: str, found: Any) -> dict[str, Any]:
    if callable(found) and not isinstance(found, Mapping):
        found = found()
    if isinstance(found, Mapping):
        return {str(name): constructor for name, constructor in found.items()}
    entries = list(found) if isinstance(found, Iterable) and not isinstance(found, str) else []
    if not entries or not all(isinstance(entry, str) or hasattr(entry, "__name__") for entry in entries):
        raise ZooError(
            f"{source} is no registry of models. It must be, or give, a mapping of names to factories, a list of factories, or a "
            "list of names with a factory beside it."
        )
    return dict((entry, None) if isinstance(entry, str) else (entry.__name__, entry) for entry in entries)


def _models_of_module(module: ModuleType) -> dict[str, Any]:
    """What `__all__` names; without one, the public functions and networks that the module defines."""
    from torch import nn

    exported = getattr(module, "__all__", None)
    names = exported if exported is not None else [name for name in vars(module) if not name.startswith("_")]
    models = {}
    for name in names:
        value: Any = getattr(module, name, None)
        is_own = exported is not None or getattr(value, "__module__", None) == module.__name__
        is_network = inspect.isclass(value) and issubclass(value, nn.Module)
        if is_own and (is_network or inspect.isfunction(value)):
            models[name] = untrained(value)
    if not models:
        raise ZooError(
            f"Module '{module.__name__}' has no public function and no network. Name a registry: package.module:REGISTRY."
        )
    return models
