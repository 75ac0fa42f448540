"""The JSON schema of the configuration, for editors: from the sections that read it, with their docstrings as descriptions."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from reports.config.config import Config
from reports.config.field_types import Section
from reports.config.zoo_section import installed_zoos

FILE_NAME = "zoometer.schema.json"
"""What the first line of a configuration names, relative to its own folder."""

_MS_PER_S = 1000


def config_schema() -> dict[str, Any]:
    """The schema as JSON Schema 2020-12 has it. Keys that exclude each other are checked by the reader alone."""
    schema = Config.model_json_schema()
    sections = {section.__name__: section for section in _all_sections(Section)}
    for name, definition in [(Config.__name__, schema), *schema.get("$defs", {}).items()]:
        described = _docstrings(sections[name])
        for key, field in sections[name].model_fields.items():
            _describe_field(definition["properties"][field.alias or key], described.get(key, ""))
    zoos = schema["properties"]["zoos"]
    zoos["properties"] = dict.fromkeys(sorted(installed_zoos()), zoos["additionalProperties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "zoometer's configuration"}


def _all_sections(section: type[Section]) -> Iterator[type[Section]]:
    for inner in section.__subclasses__():
        yield inner
        yield from _all_sections(inner)


def _describe_field(schema: dict[str, Any], description: str) -> None:
    schema.pop("title", None)
    if "$ref" in schema:
        schema.pop("default", None)  # a section says its own
    if description:
        schema["description"] = description
    if schema.get("type") == "string" and isinstance(schema.get("default"), float):
        schema["default"] = (
            f"{schema['default'] / _MS_PER_S:g}s"  # durations are kept in milliseconds, and written with their unit
        )


def _docstrings(section: type[Section]) -> dict[str, str]:
    """The docstring below each field, those of the bases too."""
    found: dict[str, str] = {}
    for of in reversed(section.__mro__):
        if of is Section or not issubclass(of, Section):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found
