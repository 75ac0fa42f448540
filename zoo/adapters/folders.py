"""Folders as sources of models: in the layout of torch.hub, of exported programs and TorchScript, or of configurations of transformers.

The models of a folder with a `hubconf.py` are the public functions of that file, as for `torch.hub`. The models of other folders are their
files: `.pt2` of `torch.export.save`, `.pt`, `.pth` and `.ts` of `torch.jit.save`, and each `config.json` of transformers in the folder or
directly below, which is built without weights. A path may also name one such file.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingLibraryError, UnknownNameError, ZooError

if TYPE_CHECKING:
    from torch import nn

_HUB_FILE = "hubconf.py"
_CONFIG_FILE = "config.json"
_EXPORTED = ".pt2"
_TORCHSCRIPT = (".pt", ".pth", ".ts")


def is_folder(source: str) -> bool:
    """Whether a source is a folder or a file rather than a module: `repository/`, `./repository`, `../models/net.pt2`."""
    return os.sep in source or source.startswith((".", "~"))


def model_files(source: str) -> list[Path]:
    """The `hubconf.py` of a folder, or the files of its models.

    Raises:
        UnknownNameError: if there are none.
    """
    path = Path(source).expanduser().resolve()
    if path.is_file() and (path.name == _CONFIG_FILE or path.suffix in (_EXPORTED, *_TORCHSCRIPT)):
        return [path]
    if (path / _HUB_FILE).is_file():
        return [path / _HUB_FILE]
    files = sorted(_files_below(path)) if path.is_dir() else []
    if not files:
        kinds = ", ".join((_HUB_FILE, _CONFIG_FILE, f"*{_EXPORTED}", *(f"*{end}" for end in _TORCHSCRIPT)))
        raise UnknownNameError(f"'{source}' holds no models. Name a folder with one of: {kinds}.")
    return files


def _files_below(folder: Path) -> Iterator[Path]:
    yield from (file for file in folder.iterdir() if file.suffix in (_EXPORTED, *_TORCHSCRIPT))
    yield from (file for file in (folder / _CONFIG_FILE, *folder.glob(f"*/{_CONFIG_FILE}")) if file.is_file())


def models_of_folder(source: str) -> dict[str, Callable[..., Any]]:
    """Constructors by name of the model: the stem of a file, the folder of a configuration.

    Raises:
        UnknownNameError: if there are none.
        MissingLibraryError: if a `hubconf.py` needs a package that is not installed.
        ZooError: if two models have the same name.
    """
    files = model_files(source)
    if files[0].name == _HUB_FILE:
        return _models_of_hub(files[0])
    models: dict[str, Callable[..., Any]] = {}
    for file in files:
        name = file.parent.name if file.name == _CONFIG_FILE else file.stem
        if name in models:
            raise ZooError(f"'{source}' holds two models called '{name}'. Rename one of the files.")
        models[name] = functools.partial(_load_model, file)
    return models


def untrained(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """The constructor, with `pretrained=False` if it would load weights by default."""
    try:
        parameters = inspect.signature(constructor).parameters
    except (TypeError, ValueError):
        return constructor
    if "pretrained" in parameters and parameters["pretrained"].default not in (False, None):
        return functools.wraps(constructor)(functools.partial(constructor, pretrained=False))
    return constructor


def _models_of_hub(file: Path) -> dict[str, Callable[..., Any]]:
    """The public callables of a `hubconf.py`."""
    module = _run_hub_file(file, file.stat().st_mtime_ns)
    missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingLibraryError(
            f"{file} needs packages that are missing: {names}. Install them: pip install {' '.join(missing)}"
        )
    return {name: untrained(value) for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


@functools.lru_cache(maxsize=16)
def _run_hub_file(file: Path, _changed_at: int) -> ModuleType:
    """Runs the file as torch.hub does, with its folder first in the import path."""
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


def _load_model(file: Path, **arguments: Any) -> nn.Module:
    """The model of a file.

    Raises:
        ZooError: if there are arguments: a file takes none.
    """
    if arguments:
        raise ZooError(f"{file.name} is a finished model and takes no arguments: {', '.join(arguments)}.")
    if file.name == _CONFIG_FILE:
        from zoo.adapters.transformers.checkpoints import build_from_file

        return build_from_file(file)
    import torch

    from zoo.meta.build import allocating_as_usual
    from zoo.meta.programs.exported import ExportedModel
    from zoo.meta.programs.scripted import ScriptedModel

    with allocating_as_usual():
        if file.suffix == _EXPORTED:
            return ExportedModel(torch.export.load(file).module(check_guards=False))
        return ScriptedModel(torch.jit.load(file))
