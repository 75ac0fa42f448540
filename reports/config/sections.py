"""What the sections of the configuration are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from zoo.errors import InputError, UnitError, UnknownNameError, did_you_mean
from zoo.inputs import format_tensors, parse_tensors
from zoo.records import FORMER_VARIANTS, Task, Variant
from zoo.run_config import parse_trace_mode
from zoo.units import Quantity, parse_quantity

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
"""Every key is declared, and nothing is turned into another type by guessing."""


def one_of(what: str, choices: Callable[[], list[str]]) -> AfterValidator:
    """One of a few names; another is refused with the nearest of them."""

    def check(name: str) -> str:
        known = choices()
        if name not in known:
            raise ValueError(f"'{name}' is not a {what}.{did_you_mean(name, known)}")
        return name

    return AfterValidator(check)


def as_list(value: object) -> object:
    """A single value where a list is meant: `include: resnet*`."""
    return [value] if isinstance(value, str | int) else value


def amount(kind: Quantity) -> BeforeValidator:
    """An amount written with its unit, such as 600M, 200MB or 10ms; in the kind's base unit afterwards."""

    def read(value: object) -> float | None:
        if value is None:
            return None
        try:
            return parse_quantity(value, kind) if isinstance(value, str | int | float) else parse_quantity(str(value), kind)
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


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Modes = Annotated[list[Annotated[str, AfterValidator(_check_mode)]], BeforeValidator(as_list), AfterValidator(_once)]
Patterns = Annotated[list[str], BeforeValidator(as_list)]
Sizes = Annotated[list[Annotated[str, BeforeValidator(_check_size)]], BeforeValidator(as_list), Field(min_length=1)]
TaskName = Annotated[str, one_of("task", lambda: [task.value for task in Task])]
VariantName = Annotated[str, AfterValidator(_present_variant), one_of("variant", lambda: [variant.value for variant in Variant])]
