"""Where declared models come from: a registry in a module, a whole module, or a folder in the layout of torch.hub.

`package.module:REGISTRY` is a mapping of names to constructors, a list of these, or a function that gives one. `package.module` is
the module itself: its public functions and networks. `path/to/repository` is a folder with a `hubconf.py`, whose public functions are
its models, as `torch.hub` has it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.adapters.targets import import_module, import_target
from zoo.errors import MissingLibraryError, UnknownNameError, ZooError

HUB_FILE = "hubconf.py"


def is_folder(source: str) -> bool:
    """Whether this names a folder rather than a module: `repository/`, `./repository`, `../models/repository`."""
    return os.sep in source or source.startswith((".", "~"))


def hub_file(source: str) -> Path:
    """The `hubconf.py` of a folder.

    Raises:
        UnknownNameError: if there is none.
    """
    file = Path(source).expanduser() / HUB_FILE
    if not file.is_file():
        raise UnknownNameError(
            f"'{source}' has no {HUB_FILE}. Name a folder in the layout of torch.hub, or package.module:REGISTRY."
        )
    return file


def open_source(source: str) -> dict[str, Any]:
    """The names in a source with their constructors; None for those without one.

    Raises:
        UnknownNameError: if there is no such module, attribute or folder.
        MissingLibraryError: if a folder needs a package that is not installed.
        ZooError: if it holds no models.
    """
    if is_folder(source):
        return _models_of_folder(hub_file(source).resolve())
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
            models[name] = _untrained(value)
    if not models:
        raise ZooError(
            f"Module '{module.__name__}' has no public function and no network. Name a registry: package.module:REGISTRY."
        )
    return models


def _models_of_folder(file: Path) -> dict[str, Any]:
    """The public callables of a `hubconf.py`."""
    module = _run_hub_file(file, file.stat().st_mtime_ns)
    missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingLibraryError(
            f"{file} needs packages that are missing: {', '.join(missing)}. Install them: pip install {' '.join(missing)}"
        )
    return {name: _untrained(value) for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


@functools.lru_cache(maxsize=16)
def _run_hub_file(file: Path, _changed_at: int) -> ModuleType:
    """Runs the file as torch.hub does, with its folder searched first."""
    spec = importlib.util.spec_from_file_location("hubconf", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise MissingLibraryError(f"{file} cannot be imported: {error}. Install what it needs.") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def _untrained(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """The constructor, told not to load weights where it would by default."""
    try:
        parameters = inspect.signature(constructor).parameters
    except (TypeError, ValueError):
        return constructor
    if "pretrained" in parameters and parameters["pretrained"].default not in (False, None):
        return functools.wraps(constructor)(functools.partial(constructor, pretrained=False))
    return constructor
