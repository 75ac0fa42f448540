"""Types of the configuration's fields, and the base of its sections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from zoo.errors import InputError, UnitError, UnknownNameError, did_you_mean
from zoo.inputs import format_tensors, parse_tensors
from zoo.records import FORMER_VARIANTS, Task, Variant
from zoo.run_config import parse_trace_mode
from zoo.units import Quantity, parse_quantity

T = TypeVar("T")
MOST = 2**31 - 1
"""The largest whole number: tables hold 64 bits, and products of two still fit."""


class Section(BaseModel):
    """A mapping of the configuration: every key is declared, and no value is converted to another type by guessing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def one_of(what: str, choices: Callable[[], list[str]]) -> AfterValidator:
    """One of a few names; the error for another one suggests the nearest."""

    def check(name: str) -> str:
        if name not in choices():
            raise ValueError(f"'{name}' is not a {what}.{did_you_mean(name, choices())}")
        return name

    return AfterValidator(check)


def as_list(value: object) -> object:
    """A list of one, where a single value is written: `include: resnet*`."""
    return [value] if isinstance(value, str | int) else value


def quantity(kind: Quantity) -> BeforeValidator:
    """A quantity written with its unit, such as 600M, 200MB or 10ms, converted to its base unit."""

    def read(value: object) -> float | None:
        if value is None:
            return None
        try:
            return parse_quantity(value if isinstance(value, str | int | float) else str(value), kind)
        except UnitError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(read)


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
AnyNumberOf = Annotated[list[T], BeforeValidator(as_list)]
OneOrMore = Annotated[list[T], BeforeValidator(as_list), Field(min_length=1)]
Patterns = AnyNumberOf[str]
Sizes = OneOrMore[Annotated[str, BeforeValidator(_check_size)]]
TraceModes = Annotated[AnyNumberOf[Annotated[str, AfterValidator(_check_mode)]], AfterValidator(_without_repeats)]
TaskName = Annotated[str, one_of("task", lambda: [task.value for task in Task])]
VariantName = Annotated[str, AfterValidator(_present_variant), one_of("variant", lambda: [variant.value for variant in Variant])]
