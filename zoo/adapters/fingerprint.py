"""Fingerprints of source code that has no version: a hash of a module and of the modules it imports from the same folder tree."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from zoo.adapters.folders import is_folder, model_files
from zoo.adapters.sources import search_current_folder
from zoo.errors import UnknownNameError

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_LENGTH = 16  # hexadecimal digits kept: 64 bits, for a few thousand models


def fingerprint(modules: Iterable[str], arguments: str) -> str:
    """A hash of the arguments, the source of the modules, and all source that they import from the same folder tree.

    For an installed package its version is used. The modules are not imported, only the packages that contain them.

    Raises:
        UnknownNameError: if there is no such module.
    """
    digest = hashlib.sha256(arguments.encode())
    for module in sorted(set(modules)):
        digest.update(_describe_source(module).encode())
    return digest.hexdigest()[:_LENGTH]


def _describe_source(module: str) -> str:
    """Versions of the distribution of a module, or hashes of its file and of the files that it imports; hashes of the models of a folder."""
    if is_folder(module):
        return " ".join(_hash_files(file, file.parent) for file in model_files(module))
    search_current_folder()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UnknownNameError(f"There is no module '{module}'. Run in its folder, or install it.")
    if spec.origin is None or not Path(spec.origin).is_file():  # built in, or a namespace: no source
        return module
    file = Path(spec.origin)
    if _INSTALLED & set(file.parts) and (installed := _installed_version(module)):
        return f"{module} {installed}"
    depth = module.count(".") + (file.name == "__init__.py")
    return _hash_files(file, file.parents[depth])


def _hash_files(file: Path, root: Path) -> str:
    reached = _imported_files(file, root)
    return " ".join(f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in reached)


def _installed_version(module: str) -> str | None:
    try:
        return " ".join(version(name) for name in _distributions().get(module.partition(".")[0], [])) or None
    except PackageNotFoundError:
        return None


@cache
def _distributions() -> dict[str, list[str]]:
    return {package: sorted(set(names)) for package, names in packages_distributions().items()}


def _imported_files(file: Path, root: Path) -> list[Path]:
    """The file and all files below `root` that it imports, directly or indirectly, sorted."""
    reached, pending = set[Path](), [file]
    while pending:
        path = pending.pop()
        if path not in reached:
            reached.add(path)
            pending.extend(_direct_imports(path, root))
    return sorted(reached)


def _direct_imports(file: Path, root: Path) -> Iterator[Path]:
    if file.suffix != ".py":
        return
    for name in _imported_names(file.read_bytes(), file.parent.relative_to(root).parts):
        yield from _files_of(name, root)


@lru_cache(maxsize=1024)
def _imported_names(source: bytes, package: tuple[str, ...]) -> tuple[str, ...]:
    """The names that a module of a package imports, of modules or of what is in them. Adapters of zoos share most modules."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # the same error is raised when the model is built
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*around, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The files below `root` that are run when a module is imported."""
    folder = root
    for part in module.split("."):
        for candidate in (folder / f"{part}.py", folder / part / "__init__.py"):
            if candidate.is_file():
                yield candidate
        folder /= part
