"""Zoos that a configuration declares: the user's own models, from importable factories or registries."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.adapters.base import Example, Zoo
from zoo.adapters.fingerprint import fingerprint
from zoo.adapters.folders import is_folder
from zoo.adapters.sources import import_target, open_source
from zoo.adapters.traced_transformers import independent_of_values
from zoo.errors import ConfigError, UnknownNameError, ZooError, did_you_mean
from zoo.records import Accuracy, Architecture, CostKey, DeclaredModel, Weights

if TYPE_CHECKING:
    from torch import nn

_VERSION = "declared"
"""Takes the place of the version of a library; a model that changes gets another fingerprint."""

_SOURCE = "the configuration"


class DeclaredZoo(Zoo):
    """The models of a configuration. In a worker, only the model that is built."""

    def __init__(self, name: str, models: Sequence[DeclaredModel]) -> None:
        self.name = name
        self._models = models

    def version(self) -> str:
        """The same for all declared zoos."""
        return _VERSION

    def architectures(self) -> list[Architecture]:
        """All models, including those of registries. Only registries are imported.

        Raises:
            ConfigError: if two models have one name.
            ZooError: if a module does not exist, or a registry is invalid.
        """
        described: dict[str, Architecture] = {}
        for model, modules in self._models_with_sources():
            if model.name in described:
                raise ConfigError(f"Zoo '{self.name}' declares two models '{model.name}'. Give one of them another name.")
            described[model.name] = self._describe_model(model, modules)
        return list(described.values())

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """The declared arguments; they do not depend on the input."""
        options: dict[str, Any] = json.loads(self._find_model(key.arch).arguments)
        return options

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """Calls the factory.

        Raises:
            ZooError: if it does not exist, or returns no module.
        """
        return call_factory(*_import_factory(self._find_model(arch)), options)

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """The tensors of the input. Models of transformers run without reading values of tensors."""
        example = super().example(model, key)
        is_of_transformers = type(model).__module__.startswith("transformers.")
        return dataclasses.replace(example, context=independent_of_values) if is_of_transformers else example

    def published_accuracy(self) -> list[Accuracy]:
        """The configured results, at the models' native inputs."""
        return [
            Accuracy(self.name, model.name, "", dataset, metric, model.inputs[0], value, _SOURCE, "")
            for model in self._models
            for dataset, metric, value in model.accuracy
        ]

    def _models_with_sources(self) -> Iterator[tuple[DeclaredModel, list[str]]]:
        """Each model, those of registries included, with the modules that contain its source."""
        for model in self._models:
            named = [
                target if is_folder(target) else target.partition(":")[0] for target in (model.factory, model.registry) if target
            ]
            if model.name:
                yield model, named
                continue
            assert model.registry is not None
            for name, constructor in open_source(model.registry).items():
                module = None if is_folder(model.registry) else getattr(constructor, "__module__", None)
                yield dataclasses.replace(model, name=name), [*named, *([module] if module else [])]

    def _describe_model(self, model: DeclaredModel, modules: Iterable[str]) -> Architecture:
        native = model.inputs[0]
        weights = Weights(self.name, model.name, "", model.task, None, model.classes, native, is_default=True)
        return Architecture(
            zoo=self.name,
            name=model.name,
            task=model.task,
            family=model.family,
            input=native,
            classes=model.classes,
            weights=(weights,) if model.accuracy else (),
            fingerprint=fingerprint(modules, model.arguments),
            inputs=model.inputs,
            declared=model,
        )

    def _find_model(self, name: str) -> DeclaredModel:
        for model in sorted(self._models, key=lambda model: not model.name):  # registries, whose models have no names, last
            if model.name in {name, ""}:
                return dataclasses.replace(model, name=name)
        raise UnknownNameError(f"Zoo '{self.name}' declares no model '{name}'.")


def call_factory(target: str, factory: Any, arguments: Mapping[str, Any]) -> nn.Module:
    """The module that a factory returns; if the target is a module instead of a factory, that module.

    Raises:
        ZooError: if the factory returns something else.
    """
    from torch import nn

    model = factory if isinstance(factory, nn.Module) else factory(**arguments)
    if not isinstance(model, nn.Module):
        raise ZooError(f"{target} gives {type(model).__name__}, not a torch.nn.Module.")
    return model


def _import_factory(model: DeclaredModel) -> tuple[str, Callable[..., Any]]:
    """The name of the factory for messages, and the factory itself."""
    if model.registry is None:
        assert model.factory is not None
        return model.factory, import_target(model.factory)
    if model.factory is not None:
        return model.factory, functools.partial(import_target(model.factory), model.name)
    registry = open_source(model.registry)
    constructor = registry.get(model.name)
    if constructor is None:
        why = (
            "names it without a factory; give one" if model.name in registry else f"has none.{did_you_mean(model.name, registry)}"
        )
        raise UnknownNameError(f"Model '{model.name}' of registry {model.registry}: the registry {why}")
    return f"{model.registry} '{model.name}'", constructor
