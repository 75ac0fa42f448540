"""The zoo of transformers."""

from zoo.adapters.transformers.zoo import TransformersZoo

__all__ = ["TransformersZoo"]
