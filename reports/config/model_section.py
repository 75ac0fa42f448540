"""Declared models: a user's own, by the function that makes them."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reports.config.field_types import NonNegativeInt, OneOrMore, Section, TaskName, Written
from zoo.inputs import format_tensors, parse_tensors
from zoo.records import DeclaredModel, Task

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_TARGET = re.compile(rf"{_MODULE.pattern}:[^\W\d]\w*")


def _check_target(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise ValueError(f"'{text}' cannot be imported. Write package.module:function.")
    return text


def _check_source(text: str) -> str:
    if not (_TARGET.fullmatch(text) or _MODULE.fullmatch(text) or "/" in text or text.startswith(".")):
        raise ValueError(f"'{text}' is no source of models. Write package.module:REGISTRY, package.module or path/to/folder.")
    return text


Target = Annotated[str, Written(lambda inner: {**inner, "pattern": r"^[^:]+:[^:]+$"}, check=_check_target)]
Source = Annotated[str, AfterValidator(_check_source)]
Tensors = Annotated[
    str, Written(lambda _: {"type": ["string", "integer"]}, read=lambda value: format_tensors(parse_tensors(str(value))))
]
Number = Annotated[float, BeforeValidator(lambda value: float(value) if type(value) is int else value)]


class ModelSection(Section):
    """One model, or with `registry` and no `name` a whole list of them."""

    name: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")] | None = None
    """Name of the model in reports."""
    factory: Target | None = None
    """A function or class that makes the model: package.module:function."""
    registry: Source | None = None
    """Many models at once: a mapping of names to factories, a list of names, a function that gives one; a module; a folder."""
    kwargs: dict[str, Any] = {}
    """Arguments of the factory."""
    inputs: OneOrMore[Tensors]
    """Shapes without the batch, the native one first: 3x224x224."""
    task: TaskName = Task.CLASSIFICATION.value
    """Which leaderboard the model is ranked on."""
    family: str | None = None
    """Architectures that belong together."""
    classes: NonNegativeInt | None = None
    """Outputs, for the reader; kwargs decide."""
    accuracy: dict[str, dict[str, Number]] = {}
    """Published results at the native input, in percent, by dataset and metric."""

    @model_validator(mode="after")
    def _names_one_thing(self) -> ModelSection:
        if self.factory is None and self.registry is None:
            raise ValueError("needs a factory, or a registry. Write factory: package.module:function.")
        if self.name is None and self.registry is None:
            raise ValueError("needs a name.")
        if self.name is None and self.accuracy:
            raise ValueError("accuracy belongs to one model: give its name beside the registry.")
        return self

    def declared(self) -> DeclaredModel:
        """The description that is sent to workers."""
        return DeclaredModel(
            name=self.name or "",
            factory=self.factory,
            registry=self.registry,
            arguments=json.dumps(self.kwargs, sort_keys=True),
            inputs=tuple(self.inputs),
            task=self.task,
            family=self.family,
            classes=self.classes,
            accuracy=tuple((dataset, metric, value) for dataset, of in self.accuracy.items() for metric, value in of.items()),
        )
