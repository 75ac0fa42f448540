"""Reads a configuration file. All mistakes of a file are reported at once, each with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reports.config.config import Config
from zoo.addresses import Address
from zoo.documents.files import DocumentKind
from zoo.documents.yaml_document import Document, Location, dotted, list_mistakes, read_yaml
from zoo.errors import ConfigError, did_you_mean, shorten_line

CONFIGURATION = DocumentKind("configuration file", ConfigError, 2_000_000, "Write one to start from with: zoometer init {path}")

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "text",
}
"""The expected type of a value, by pydantic's name of the mistake."""
_MISSING: dict[Location, str] = {("zoos",): ' Name what to count, for example: zoos: {timm: {include: ["resnet*"]}}'}


def load_config(path: str | Path, *, cache: str | None = None, out: str | Path | None = None) -> Config:
    """Read and check a configuration file.

    Args:
        path: of the file.
        cache: takes the place of the file's.
        out: likewise.

    Raises:
        ConfigError: if the file cannot be read or has mistakes; the message lists each with its line.
    """
    document = read_yaml(path, CONFIGURATION)
    if not isinstance(document.content, dict):
        raise ConfigError(
            f"'{path}' holds no configuration: it must be a mapping of keys. `zoometer init` writes one to start from."
        )
    try:
        config = Config.model_validate(document.content, context={"declared": _declared_names(document.content)})
    except ValidationError as error:
        mistakes = sorted(error.errors(include_url=False), key=lambda mistake: document.line(_location_of(mistake)))
        raise ConfigError(list_mistakes(path, [shorten_line(_explain(mistake, document)) for mistake in mistakes])) from None
    kept = Address.of(cache, config.storage if "://" in cache else None) if cache else config.cache
    return config.model_copy(update={"cache": kept, "out": str(out or config.out)})


def config_name(path: str | Path) -> str:
    """The name by which runs of one configuration are known to each other."""
    return Path(os.path.normpath(path)).as_posix()


def _declared_names(content: dict[str, Any]) -> set[str]:
    """Names of the zoos that list models of their own."""
    zoos = content.get("zoos")
    return {name for name, zoo in zoos.items() if isinstance(zoo, dict) and "models" in zoo} if isinstance(zoos, dict) else set()


def _location_of(mistake: Any) -> Location:
    """The location of a mistake; pydantic marks the key of a mapping, rather than its value, with an extra part."""
    return tuple(part for part in mistake["loc"] if part != "[key]")


def _explain(mistake: Any, document: Document) -> str:
    """One mistake that pydantic found: its line, its dotted key, and what to write instead."""
    location = _location_of(mistake)
    where = ": ".join(filter(None, (f"line {document.line(location)}", dotted(location))))
    match mistake["type"]:
        case "extra_forbidden":
            return f"{where} is not a known key.{did_you_mean(str(location[-1]), _keys_at(location[:-1]))}"
        case "missing":
            return f"{where} is missing.{_MISSING.get(location, '')}"
        case "value_error":
            return f"{where}: {mistake['ctx']['error']}"
        case "string_pattern_mismatch":
            return f"{where}: '{mistake['input']}' cannot be part of a file name. Use letters, digits, '.', '_' and '-'."
        case "invalid_key":
            return f"{where}: a key must be text. Write it in quotes."
        case "too_short" | "string_too_short":
            return f"{where} is empty."
        case kind:
            expected = _EXPECTED.get(kind) or mistake["msg"].removeprefix("Input should be ")
            if location[:1] == ("storage",) or location[:2] == ("execution", "arguments"):
                return f"{where} must be {expected}."  # what stands there may be a credential
            return f"{where} must be {expected}, not {_as_written(mistake['input'])}."


def _as_written(value: object) -> str:
    """A value as it is written in YAML, shortened."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    words = {None: "empty", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"'{value}'"


def _keys_at(location: Location) -> list[str]:
    """The keys of the section at a location; names and places in a list are no sections."""
    section: type[BaseModel] = Config
    for part in location:
        field = section.model_fields.get(str(part))
        section = (field and _find_section(field.annotation)) or section
    return list(section.model_fields)


def _find_section(annotation: Any) -> type[BaseModel] | None:
    """The section inside a field's type, such as `list[AuditSection]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_find_section, get_args(annotation))), None)
