"""The JSON schemas of what verbs print with `--format json`, from their shapes in `answers.yaml`."""

from __future__ import annotations

from importlib import resources
from typing import Any

from zoo.errors import UnknownNameError, did_you_mean

_TYPES = {"text": "string", "integer": "integer", "number": "number", "flag": "boolean"}
_NULLABLE, _OTHERS = "null~", "..."


def answer_schemas() -> dict[str, dict[str, Any]]:
    """The schema of each verb's answer, by its name: `select`, `cache info`."""
    import yaml

    shapes = yaml.safe_load(resources.files("reports.cli").joinpath("answers.yaml").read_text(encoding="utf-8"))
    return {
        verb: {"$schema": "https://json-schema.org/draft/2020-12/schema", **_shape_schema(shape)}
        for verb, shape in shapes.items()
    }


def answer_schema(verb: str) -> dict[str, Any]:
    """The schema of one verb's answer.

    Raises:
        UnknownNameError: if there is no such verb, or it prints no JSON.
    """
    known = answer_schemas()
    if verb not in known:
        near = did_you_mean(verb, known) or " See the verbs with: zoometer --help"
        raise UnknownNameError(f"'{verb}' is no verb that prints JSON.{near}")
    return {**known[verb], "title": f"What zoometer {verb} prints as JSON"}


def _shape_schema(shape: Any) -> dict[str, Any]:
    match shape:
        case "any" | "any~":
            return {}
        case str():
            name = shape.removesuffix("~")
            return {"type": [_TYPES[name], "null"] if name != shape else _TYPES[name]}
        case [item]:
            return {"type": "array", "items": _shape_schema(item)}
        case {"one_of": alternatives}:
            return {"anyOf": [_shape_schema(one) for one in alternatives]}
    keys = {key: value for key, value in shape.items() if key not in (_NULLABLE, _OTHERS)}
    return {
        "type": ["object", "null"] if _NULLABLE in shape else "object",
        "properties": {key.removesuffix("~"): _shape_schema(value) for key, value in keys.items()},
        "required": [key for key in keys if not key.endswith("~")],
        "additionalProperties": _shape_schema(shape[_OTHERS]) if _OTHERS in shape else False,
    }
