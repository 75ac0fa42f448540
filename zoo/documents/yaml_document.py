"""Reads YAML as plain data: mappings, lists, text, numbers, true, false and null.

Size, depth and the expansion of aliases are limited while a document is composed, before values are constructed. Dates are read as text.
Errors, such as a scalar that does not fit its tag (`!!int abc`), have a line and a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

from zoo.documents.files import DocumentKind, read_text
from zoo.errors import shorten_line

try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML was built without libyaml

    class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):  # type: ignore[no-redef]
        def __init__(self, stream: str) -> None:
            yaml.reader.Reader.__init__(self, stream)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)


Location = tuple[str | int, ...]
"""The path of a value: `("reports", 0, "name")`."""

MOST_VALUES = 20_000
"""Limit of values and keys of a document, with every alias expanded. The largest of `configs/` has 200."""

MOST_LEVELS = 40
"""Limit of the depth of nested mappings and lists."""

_LARGEST = 2**63 - 1
"""Integers are limited to 64 bits, as in tables."""

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_PREFIX = "tag:yaml.org,2002:"
_TAGS = tuple(f"{_PREFIX}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge"))


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, and the line of each key and list item."""

    content: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """The line of a value, or of the innermost section around it if the key is missing."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read_yaml(path: str | Path, kind: DocumentKind) -> Document:
    """The document in a file.

    Raises:
        ZooError: the error of the kind, if the file cannot be read, is no YAML, is beyond the limits, or has a key twice.
    """
    text = read_text(path, kind)
    try:
        content, node = _load_yaml(text)
    except yaml.YAMLError as error:
        raise kind.error(f"'{path}' is not readable as YAML: {_explain_yaml_error(error)}") from None
    lines: dict[Location, int] = {}
    repeated: list[str] = []
    _collect_lines(node, (), lines, repeated)
    if repeated:
        raise kind.error(list_mistakes(path, repeated))
    return Document(content, lines)


def parse_yaml(text: str) -> Any:
    """The content of a document.

    Raises:
        ValueError: if the text is no YAML, or beyond the limits.
    """
    try:
        return _load_yaml(text)[0]
    except yaml.YAMLError as error:
        raise ValueError(_explain_yaml_error(error)) from None


def load_own_yaml(text: str) -> Any:
    """The content of a file that comes with zoometer; with libyaml, if installed, in a third of the time."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe, only faster


def list_mistakes(path: str | Path, mistakes: list[str]) -> str:
    """A sentence for one mistake, a list for several."""
    if len(mistakes) == 1:
        return f"{path}, {mistakes[0]}"
    return "\n".join([f"{path} has {len(mistakes)} mistakes:", *(f"  {mistake}" for mistake in mistakes)])


def dotted(location: Location) -> str:
    """`reports[0].name` for ("reports", 0, "name")."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


class _Loader(Composer, _Parser, SafeConstructor, Resolver):
    """libyaml's parser with PyYAML's composer, which counts values and levels."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in Resolver.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._values = self._level = 0
        self._expanded: dict[str, int] = {}  # values below an anchor, aliases expanded

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes and counts the next node."""
        event: Any = self.peek_event()
        anchor, mark, before = event.anchor, event.start_mark, self._values
        self._values += 1
        if isinstance(event, yaml.AliasEvent) and anchor in self.anchors:
            if anchor not in self._expanded:
                raise ComposerError(None, None, f"'*{anchor}' stands inside the value that it names", mark)
            self._values += self._expanded[anchor] - 1
        self._level += 1
        if self._values > MOST_VALUES:
            raise ComposerError(None, None, f"more than {MOST_VALUES:,} values, aliases expanded", mark)
        if self._level > MOST_LEVELS:
            raise ComposerError(None, None, f"more than {MOST_LEVELS} levels of nesting", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._level -= 1
        if anchor is not None:
            self._expanded[anchor] = self._values - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; an error at its place if it does not fit its tag."""
        if node.tag not in _TAGS:
            raise ConstructorError(None, None, f"the tag {node.tag.replace(_PREFIX, '!!')} is not read", node.start_mark)
        try:
            value = super().construct_object(node, deep)
            if type(value) is int and abs(value) > _LARGEST:
                raise OverflowError
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            text = shorten_line(str(node.value), 60) if isinstance(node, yaml.ScalarNode) else "a mapping or a list"
            name = node.tag.removeprefix(_PREFIX)
            raise ConstructorError(None, None, f"'{text}' cannot be read as {name}", node.start_mark) from None
        return value


def _load_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (loader.construct_document(node) if node is not None else None), node
    finally:
        loader.dispose()


def _collect_lines(node: yaml.Node | None, location: Location, lines: dict[Location, int], repeated: list[str]) -> None:
    """Collects the lines of all values below a node, and the keys that a mapping has twice (YAML silently uses the last)."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*location, index)] = item.start_mark.line + 1
            _collect_lines(item, (*location, index), lines, repeated)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        inner = (*location, str(key.value))
        line = key.start_mark.line + 1
        if inner in lines:
            repeated.append(f"line {line}: {dotted(inner)} is given twice, first on line {lines[inner]}.")
            continue
        lines[inner] = line
        _collect_lines(value, inner, lines, repeated)


def _explain_yaml_error(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{error}".splitlines()[0]
    mark = error.problem_mark
    hint = ' A pattern that starts with * needs quotes: "*".' if "alias" in f"{error.context} {error.problem}" else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}.{hint}"
