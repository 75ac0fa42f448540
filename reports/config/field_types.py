"""Types of the configuration's fields, and the base of its sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import core_schema

from zoo.errors import ConfigError, InputError, ZooError, did_you_mean
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

    @classmethod
    def from_options(cls, options: Mapping[str, Any], spell: Callable[[str], str] = str, base: Self | None = None) -> Self:
        """A section from options of a command or a call.

        Args:
            options: values by key.
            spell: how the user writes a key, for messages.
            base: a section that the options change; None: one with the defaults.

        Raises:
            ConfigError: if options are wrong; the message names each in a line.
        """
        try:
            given = cls.model_validate(options)
        except ValidationError as error:
            mistakes = [(str(mistake["loc"][0]), mistake) for mistake in error.errors(include_url=False)]
            raise ConfigError("\n".join(f"{spell(key)}: {cls._explain(key, mistake)}" for key, mistake in mistakes)) from None
        return base.model_copy(update={name: getattr(given, name) for name in given.model_fields_set}) if base else given

    @classmethod
    def _explain(cls, key: str, mistake: Any) -> str:
        if mistake["type"] == "extra_forbidden":
            return f"there is no such key.{did_you_mean(key, cls.model_fields)}"
        return str(mistake.get("ctx", {}).get("error") or mistake["msg"])


@dataclass(frozen=True)
class Written:
    """How a field is written in YAML: what reads or checks it, and for editors which values can be written.

    Attributes:
        schema: makes the JSON schema of what can be written from that of the field's type. None: it is the same.
        read: makes a value of the field's type from what is written; a ValueError or a ZooError refuses it.
        check: receives such a value and returns the one to keep; likewise.
    """

    schema: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    read: Callable[[Any], Any] | None = None
    check: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """What pydantic validates with."""
        schema = handler(source)
        if self.check:
            schema = core_schema.no_info_after_validator_function(_refusing(self.check), schema)
        return core_schema.no_info_before_validator_function(_refusing(self.read), schema) if self.read else schema

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """What pydantic describes the field with."""
        return self.schema(handler(core)) if self.schema else handler(core)


def _refusing(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function, whose ZooErrors become ValueErrors, which pydantic collects."""

    def read_or_refuse(value: Any) -> Any:
        try:
            return function(value)
        except ZooError as error:
            raise ValueError(str(error)) from None

    return read_or_refuse


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
        return parse_quantity(value if isinstance(value, str | int | float) else str(value), kind)

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


def _check_path(path: str) -> str:
    """A path or an address, `~` replaced by the home folder."""
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL character.")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise ValueError(f"'{path}' is in the home folder of a user who does not exist. Write the whole path.") from None


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
TraceMode = Annotated[str, Written(lambda inner: {**inner, "enum": _MODES}, check=lambda text: parse_trace_mode(text).trace_mode)]
TraceModes = Annotated[AnyNumberOf[TraceMode], AfterValidator(lambda modes: list(dict.fromkeys(modes)))]
TaskName = Annotated[str, one_of("task", lambda: [task.value for task in Task])]
VariantName = Annotated[
    str,
    AfterValidator(lambda name: FORMER_VARIANTS.get(name, name)),
    one_of("variant", lambda: [variant.value for variant in Variant]),
]
