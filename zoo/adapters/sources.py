"""Sources of declared models: a registry in a module, a whole module, or a folder.

`package.module:REGISTRY` is a mapping of names to constructors, a list of constructors or names, or a function that returns one of these.
`package.module` stands for the public functions and networks of a module, `path/to/folder` for a folder (`zoo.adapters.folders`).
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.adapters.folders import is_folder, models_of_folder, untrained
from zoo.errors import UnknownNameError, ZooError, did_you_mean


def search_current_folder() -> None:
    """Adds the current folder to the import path, as `python -m` does."""
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)


def import_module(name: str) -> ModuleType:
    """The module of this name. The current folder is searched too.

    Raises:
        UnknownNameError: if there is no such module.
    """
    search_current_folder()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnknownNameError(f"Module '{name}' cannot be imported: {error}. Run in its folder, or install it.") from error


def import_target(target: str) -> Any:
    """The object that `package.module:attribute` names. The current folder is searched too.

    Raises:
        UnknownNameError: if there is no such module, or it has no such attribute.
    """
    module_name, _, attribute = target.partition(":")
    module = import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise UnknownNameError(f"Module '{module_name}' has no '{attribute}'.{did_you_mean(attribute, public)}") from None


def open_source(source: str) -> dict[str, Any]:
    """Constructors by name of the model; None for a name without a constructor.

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


def _models_of_registry(source: str, registry: Any) -> dict[str, Any]:
    if callable(registry) and not isinstance(registry, Mapping):
        registry = registry()
    if isinstance(registry, Mapping):
        return {str(name): constructor for name, constructor in registry.items()}
    entries = list(registry) if isinstance(registry, Iterable) and not isinstance(registry, str) else []
    if not entries or not all(isinstance(entry, str) or hasattr(entry, "__name__") for entry in entries):
        raise ZooError(
            f"{source} is no registry of models. It must be, or give, a mapping of names to factories, a list of factories, or a "
            "list of names with a factory beside it."
        )
    return dict((entry, None) if isinstance(entry, str) else (entry.__name__, entry) for entry in entries)


def _models_of_module(module: ModuleType) -> dict[str, Any]:
    """The functions and networks in `__all__`; without `__all__`, those that the module defines and that are public."""
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
