"""Reads YAML with the line of every value, for error messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ConfigError

Location = tuple[str | int, ...]
"""The path of a value: `("reports", 0, "name")`."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, and the line of each key and list item."""

    content: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """The line of the value, or of the nearest section around it (a missing key has no line of its own)."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read(path: Path) -> Document:
    """Read a YAML mapping.

    Raises:
        ConfigError: if there is no such file, it is no YAML, a key stands twice, or it holds no mapping.
    """
    loader = _open(path)
    try:
        node = loader.get_single_node()
        lines: dict[Location, int] = {}
        repeated: list[str] = []
        _walk(node, (), lines, repeated)
        content = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        raise ConfigError(f"'{path}' is not readable as YAML: {_explain_syntax(error)}") from None
    finally:
        loader.dispose()
    if repeated:
        raise ConfigError(list_mistakes(path, repeated))
    if not isinstance(content, dict):
        raise ConfigError(
            f"'{path}' holds no configuration: it must be a mapping of keys. `zoometer init` writes one to start from."
        )
    return Document(content, lines)


def list_mistakes(path: str | Path, mistakes: list[str]) -> str:
    """A sentence for a single mistake, a list for several."""
    if len(mistakes) == 1:
        return f"{path}, {mistakes[0]}"
    return "\n".join([f"{path} has {len(mistakes)} mistakes:", *(f"  {mistake}" for mistake in mistakes)])


def dotted(location: Location) -> str:
    """`reports[0].name` for ("reports", 0, "name")."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def as_written(value: object) -> str:
    """A value as it is written in YAML, shortened."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    words = {None: "empty", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"'{value}'"


def _open(path: Path) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file '{path}'. Write one to start from with: zoometer init {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"'{path}' is a folder, not a configuration file.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"'{path}' is not a text file in UTF-8.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"'{path}' is not readable as YAML: {_explain_syntax(error)}") from None


def _walk(node: yaml.Node | None, location: Location, lines: dict[Location, int], repeated: list[str]) -> None:
    """Collects the line of everything below `node`, and the keys that occur twice in one mapping (YAML silently uses the last)."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*location, index)] = item.start_mark.line + 1
            _walk(item, (*location, index), lines, repeated)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        inner = (*location, str(key.value))
        line = key.start_mark.line + 1
        if inner in lines:
            repeated.append(f"line {line}: {dotted(inner)} is given twice, first on line {lines[inner]}.")
            continue
        lines[inner] = line
        # An alias may refer to a node around itself; the content of its anchor has been walked already.
        if value.start_mark.index >= key.start_mark.index:
            _walk(value, inner, lines, repeated)


def _explain_syntax(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{error}".splitlines()[0]
    hint = ' A pattern that starts with * needs quotes: "*".' if "alias" in f"{error.context} {error.problem}" else ""
    return f"line {error.problem_mark.line + 1}: {error.problem}.{hint}"
