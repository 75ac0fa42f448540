"""torchvision's zoo."""

from zoo.adapters.torchvision.zoo import TorchvisionZoo

__all__ = ["TorchvisionZoo"]
