"""Imports objects that are named as `package.module:attribute`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.errors import UnknownNameError, did_you_mean


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
