"""A zoo in the configuration: which of its architectures are counted, and in which forms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from reports.config.field_types import (
    AnyNumberOf,
    NonNegativeInt,
    OneOrMore,
    Patterns,
    PositiveInt,
    Section,
    Sizes,
    TaskName,
    VariantName,
)
from reports.config.model_section import ModelSection
from zoo.errors import did_you_mean
from zoo.records import DeclaredModel, Selection, Variant
from zoo.settings import ZooSettings


def installed_zoos() -> list[str]:
    """Names of the zoos that can be counted here, read without importing one."""
    from zoo.adapters.registry import zoo_names

    return zoo_names()


def _check_zoo(name: str, info: ValidationInfo) -> str:
    """A zoo that is installed, or one that the file declares."""
    installed, declared = installed_zoos(), (info.context or {}).get("declared", ())
    if name in declared:
        if name in installed:
            raise ValueError(f"'{name}' is an installed zoo. Give the zoo of your own models another name.")
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ValueError(f"'{name}' cannot name a zoo. Use letters, digits, '_' and '-'.")
    elif name not in installed:
        near = did_you_mean(name, installed)
        own = "" if near.startswith(" Did") else " Models of your own are declared with models: [...]."
        raise ValueError(f"'{name}' is not a zoo that is installed.{near}{own}")
    return name


ZooName = Annotated[str, AfterValidator(_check_zoo)]


class AxesSection(Section):
    """In which forms architectures are counted. The fields of a zoo take precedence over those of the whole file."""

    classes: NonNegativeInt | None = None
    """Outputs of a head for your own task. Default: as trained."""
    in_channels: PositiveInt | None = None
    """Channels of the image. Default: as trained."""
    batch: OneOrMore[PositiveInt] | None = None
    """Images in a batch. Default: 1."""
    variants: OneOrMore[VariantName] | None = None
    """Forms in which a model is counted. Default: base, as built."""
    features_only: bool | None = None
    """The same as variants: [features]."""

    @model_validator(mode="after")
    def _variants_are_given_once(self) -> Self:
        if self.features_only and self.variants:
            raise ValueError("features_only: true stands for variants: [features]; write one of them.")
        return self


class ZooSection(AxesSection):
    """Which architectures of one zoo are counted. Patterns are shell globs on the architecture's name."""

    include: Patterns = ["*"]
    """Globs on the architectures that are counted."""
    exclude: Patterns = []
    """Globs on those that are left out."""
    tasks: AnyNumberOf[TaskName] = []
    """Only architectures for these tasks. Empty: every task."""
    pretrained_only: bool = False
    """Only architectures with trained weights."""
    inputs: Sizes | None = None
    """Input sizes. Default: those of the whole file; of a declared zoo, those of each model."""
    inputs_for: dict[str, Sizes] = {}
    """By glob: input sizes of the architectures it matches; the first match decides."""
    models: Annotated[list[ModelSection], Field(min_length=1)] | None = None
    """Makes this a zoo of your own."""
    optional: bool = False
    """Leave it out with a message where its library is not installed."""

    @model_validator(mode="after")
    def _kwargs_decide_on_declared_models(self) -> Self:
        for key in ("classes", "in_channels", "variants", "features_only"):
            if self.models and getattr(self, key) is not None:
                raise ValueError(f"{key} cannot be applied to models of your own; say it in their kwargs.")
        return self

    def declared_models(self) -> tuple[DeclaredModel, ...]:
        """The models that this section declares."""
        return tuple(model.declared() for model in self.models or ())

    def settings(self, defaults: AxesSection, inputs: list[str]) -> ZooSettings:
        """The settings of a refresh.

        Args:
            defaults: of the whole file, for zoos that do not declare their models.
            inputs: of the whole file.
        """
        models = self.declared_models()
        sections = (self,) if models else (self, defaults)
        return ZooSettings(
            selection=Selection(tuple(self.include), tuple(self.exclude), tuple(self.tasks), self.pretrained_only),
            inputs=tuple(self.inputs or (["native"] if models else inputs)),
            inputs_for=tuple((glob, tuple(sizes)) for glob, sizes in self.inputs_for.items()),
            classes=next((s.classes for s in sections if s.classes is not None), None),
            in_channels=next((s.in_channels for s in sections if s.in_channels is not None), None),
            batches=tuple(self.batch or defaults.batch or [1]),
            variants=_first_variants(sections),
            models=models,
            is_optional=self.optional,
        )


def _first_variants(sections: Iterable[AxesSection]) -> tuple[str, ...]:
    """The variants of the first section that has any."""
    for section in sections:
        if section.features_only:
            return (Variant.FEATURES,)
        if section.variants or section.features_only is False:
            return tuple(section.variants or [Variant.BASE])
    return (Variant.BASE,)
