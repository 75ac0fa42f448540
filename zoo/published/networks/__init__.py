"""Networks that were measured and that no zoo has, built to be counted: estimates are fitted to what was measured of them too.

Each is written from the paper or the description of the network, and is known by its collection and its name there: `ncnn/alexnet`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


RELATIVES = {
    ("ncnn", "alexnet"): ("torchvision", "alexnet"),
    ("ncnn", "googlenet"): ("torchvision", "googlenet"),
    ("ncnn", "squeezenet"): ("torchvision", "squeezenet1_1"),
    ("ncnn", "squeezenet_ssd"): ("torchvision", "squeezenet1_1"),
    ("ncnn", "resnet50"): ("torchvision", "resnet50"),
    ("ncnn", "mobilenet_v2"): ("torchvision", "mobilenet_v2"),
    ("ncnn", "mobilenet_ssd"): ("timm", "mobilenetv1_100"),
    ("ncnn", "shufflenet"): ("torchvision", "shufflenet_v2_x1_0"),
}
"""Of networks, an architecture of the same family."""


def networks(collection: str) -> dict[str, Callable[[], nn.Module]]:
    """What builds each network of a collection: `ncnn`.

    Raises:
        KeyError: if there is no such collection.
    """
    from zoo.published.networks import ncnn_networks

    builders = {"ncnn": ncnn_networks.NETWORKS}
    return {builder.__name__: builder for builder in builders[collection]}
