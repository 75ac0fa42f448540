"""Types of the configuration's fields, and the base of its sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import core_schema

from zoo.errors import InputError, UnitError, UnknownNameError, did_you_mean
from zoo.inputs import format_tensors, parse_tensors
from zoo.records import FORMER_VARIANTS, Task, Variant
from zoo.run_config import LAYOUTS, TRACED, parse_trace_mode
from zoo.units import Quantity, parse_quantity

T = TypeVar("T")
MOST = 2**31 - 1
"""The largest whole number: tables hold 64 bits, and products of two still fit."""


class Section(BaseModel):
    """A mapping of the configuration: every key is declared, and no value is converted to another type by guessing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Written:
    """What is written for a field: what reads or checks it, and for editors which values can be written.

    Attributes:
        schema: makes the JSON schema of what can be written from that of the field's type.
        read: makes a value of the field's type from what is written; a ValueError refuses it.
        check: looks at such a value, and gives the one to keep; likewise.
    """

    schema: Callable[[dict[str, Any]], dict[str, Any]]
    read: Callable[[Any], Any] | None = None
    check: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """What pydantic validates with."""
        schema = handler(source)
        if self.check:
            schema = core_schema.no_info_after_validator_function(self.check, schema)
        return core_schema.no_info_before_validator_function(self.read, schema) if self.read else schema

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """What pydantic describes the field with."""
        return self.schema(handler(core))


def one_of(what: str, choices: Callable[[], list[str]]) -> Written:
    """One of a few names; the error for another one suggests the nearest."""

    def check(name: str) -> str:
        if name not in choices():
            raise ValueError(f"'{name}' is not a {what}.{did_you_mean(name, choices())}")
        return name

    return Written(lambda inner: {**inner, "enum": choices()}, check=check)


def as_list(value: object) -> object:
    """A list of one, where a single value is written: `include: resnet*`."""
    return [value] if isinstance(value, str | int) else value


def quantity(kind: Quantity) -> Written:
    """A quantity written with its unit, such as 600M, 200MB or 10ms, converted to its base unit."""

    def schema(inner: dict[str, Any]) -> dict[str, Any]:
        others = [{"type": "number", "minimum": 0}] if "" in kind.units else []
        others += [one for one in inner.get("anyOf", ()) if one == {"type": "null"}]
        text = {"type": "string", "pattern": kind.pattern}
        return {"anyOf": [text, *others]} if others else text

    def read(value: object) -> float | None:
        if value is None:
            return None
        try:
            return parse_quantity(value if isinstance(value, str | int | float) else str(value), kind)
        except UnitError as error:
            raise ValueError(str(error)) from None

    return Written(schema, read=read)


def _check_size(value: object) -> str:
    """`native`, `default`, or a size or shape; YAML reads `224` as a number."""
    text = str(value).strip().lower()
    if text in ("native", "default"):
        return text
    try:
        return format_tensors(parse_tensors(str(value).strip() if ":" in text or "=" in text else text))
    except InputError:
        raise ValueError(
            f"'{value}' is not an input size. Write native, default, 224, 384x512 (height x width) or 3x224x224."
        ) from None


def _check_mode(text: str) -> str:
    try:
        return parse_trace_mode(text).trace_mode
    except UnknownNameError as error:
        raise ValueError(str(error)) from None


def _present_variant(name: str) -> str:
    return FORMER_VARIANTS.get(name, name)


def _check_path(path: str) -> str:
    """A path or an address, `~` replaced by the home folder."""
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL character.")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise ValueError(f"'{path}' is in the home folder of a user who does not exist. Write the whole path.") from None


def _without_repeats(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Text = Annotated[str, Field(min_length=1)]
Location = Annotated[Text, AfterValidator(_check_path)]
PositiveInt = Annotated[int, Field(ge=1, le=MOST)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MOST)]
_LIST = Written(lambda inner: {"anyOf": [inner["items"], inner]}, read=as_list)
_SIZE = Written(
    lambda _: {"anyOf": [{"enum": ["native", "default"]}, {"type": "integer", "minimum": 1}, {"type": "string"}]},
    read=_check_size,
)
_MODES = [f"{precision}{layout}" for precision in TRACED for layout in ("", *(f"/{name}" for name in LAYOUTS))]
AnyNumberOf = Annotated[list[T], _LIST]
OneOrMore = Annotated[list[T], Field(min_length=1), _LIST]
Patterns = AnyNumberOf[str]
Sizes = OneOrMore[Annotated[str, _SIZE]]
TraceMode = Annotated[str, Written(lambda inner: {**inner, "enum": _MODES}, check=_check_mode)]
TraceModes = Annotated[AnyNumberOf[TraceMode], AfterValidator(_without_repeats)]
TaskName = Annotated[str, one_of("task", lambda: [task.value for task in Task])]
VariantName = Annotated[str, AfterValidator(_present_variant), one_of("variant", lambda: [variant.value for variant in Variant])]
