"""Joins the page's ES modules into one classic script.

A page that opens from disk or from a mail attachment cannot load modules by their address, so they are joined when the page is
made: each module becomes a function that is called once, after those it imports, and returns what it exports. The modules
themselves are plain ES modules that a browser runs as they are. They use two forms only, named imports and exported declarations:

    import { byId, h } from './dom.js';
    export function show() { … }
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

_IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class) (\w+))", re.MULTILINE)
_OTHER_FORM = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def join_modules(entry: str, read: Callable[[str], str]) -> str:
    """One script that does what loading the module `entry` does.

    Args:
        entry: path of the module that starts the page, such as `main.js`.
        read: the text of a module, by its path relative to the same folder.

    Raises:
        ValueError: if modules import each other in a circle, or use a form of import or export that is not handled here.
    """
    sources = _read_reachable(entry, read)
    imports = {path: {_resolve(path, target) for _, target in _IMPORT.findall(source)} for path, source in sources.items()}
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise ValueError(f"The page's modules import each other in a circle: {' → '.join(error.args[1])}") from error
    names = {path: f"module{place}" for place, path in enumerate(order)}
    return "'use strict';\n" + "".join(_module_function(path, sources[path], names) for path in order)


def _read_reachable(entry: str, read: Callable[[str], str]) -> dict[str, str]:
    """Every module that the entry needs, with its source."""
    sources: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path not in sources:
            sources[path] = read(path)
            waiting += [_resolve(path, target) for _, target in _IMPORT.findall(sources[path])]
    return sources


def _resolve(importer: str, target: str) -> str:
    """The path of an imported module: `../base/dom.js` in `chart/pen.js` is `base/dom.js`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), target))


def _module_function(path: str, source: str, names: dict[str, str]) -> str:
    exported = _EXPORT.findall(source)
    body = _IMPORT.sub(lambda match: f"const {{{match[1]}}} = {names[_resolve(path, match[2])]};\n", source)
    body = _EXPORT.sub("", body)
    if unknown := _OTHER_FORM.search(body):
        raise ValueError(f"{path} has a form of import or export that cannot be joined: {unknown[0]}")
    return f"// {path}\nconst {names[path]} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"
