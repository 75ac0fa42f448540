"""Whether source that no version describes has changed: a hash of a module and of what it imports from beside it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from zoo.adapters.targets import search_current_folder
from zoo.errors import UnknownNameError

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_LENGTH = 16  # hexadecimal digits kept: 64 bits, for a few thousand models


def fingerprint(modules: Iterable[str], arguments: str) -> str:
    """A hash of these modules' source, of all source they import from the same folder tree, and of the arguments.

    An installed package counts by its version. Nothing of the modules is run, except packages around them.

    Raises:
        UnknownNameError: if there is no such module.
    """
    digest = hashlib.sha256(arguments.encode())
    for module in sorted(set(modules)):
        digest.update(_source(module).encode())
    return digest.hexdigest()[:_LENGTH]


def _source(module: str) -> str:
    """What stands for the source of a module: the versions of its distribution, or hashes of the files it reaches."""
    search_current_folder()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UnknownNameError(f"There is no module '{module}'. Run in its folder, or install it.")
    if spec.origin is None or not Path(spec.origin).is_file():  # built in, or a namespace: nothing that could be edited
        return module
    file = Path(spec.origin)
    if _INSTALLED & set(file.parts) and (installed := _installed_version(module)):
        return f"{module} {installed}"
    depth = module.count(".") + (file.name == "__init__.py")
    root = file.parents[depth]
    reached = _reach(file, root)
    return " ".join(f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in reached)


def _installed_version(module: str) -> str | None:
    try:
        return " ".join(version(name) for name in _distributions().get(module.partition(".")[0], [])) or None
    except PackageNotFoundError:
        return None


@cache
def _distributions() -> dict[str, list[str]]:
    return {package: sorted(set(names)) for package, names in packages_distributions().items()}


def _reach(file: Path, root: Path) -> list[Path]:
    """The file and all that it imports, directly or not, from below `root`, in a fixed order."""
    reached, waiting = set[Path](), [file]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting.extend(_imported(path, root))
    return sorted(reached)


def _imported(file: Path, root: Path) -> Iterator[Path]:
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # building it will say so
        return
    package = file.parent.relative_to(root).parts
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*around, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            yield from _files_of(name, root)


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The files that importing a module runs, as far as they lie below `root`."""
    folder = root
    for part in module.split("."):
        for candidate in (folder / f"{part}.py", folder / part / "__init__.py"):
            if candidate.is_file():
                yield candidate
        folder /= part
