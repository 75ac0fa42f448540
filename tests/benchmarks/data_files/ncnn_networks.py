"""Networks that ncnn's benchmark runs, as its model files have them: batch norms are part of the convolutions, which have biases.

Names are those of the benchmark. The shapes are those of the papers; what the benchmark changes is said at each network. Their
parameters and multiply-accumulates are those of the model files, layer by layer (`published_matches.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from network_blocks import Branches, Residual, Shuffle, conv, linear_conv
from torch import Tensor, nn

_CLASSES = 1000
_ANCHOR_CLASSES = 21  # of the detectors: Pascal VOC's and the background


class Detector(nn.Module):
    """A backbone in stages, with boxes and classes predicted from the output of each (SSD; Liu and others, 2016)."""

    def __init__(self, stages: Sequence[nn.Module], heads: Sequence[tuple[nn.Module, nn.Module]]) -> None:
        """Takes stages and, for each, its heads; a stage without is followed by the next."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.boxes = nn.ModuleList(boxes for boxes, _ in heads)
        self.classes = nn.ModuleList(classes for _, classes in heads)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and classes of all anchors."""
        boxes, classes = [], []
        for stage, box_head, class_head in zip(self.stages, self.boxes, self.classes, strict=True):
            x = stage(x)
            boxes.append(box_head(x).permute(0, 2, 3, 1).flatten(1))
            classes.append(class_head(x).permute(0, 2, 3, 1).flatten(1))
        scores = torch.cat(classes, 1).reshape(-1, _ANCHOR_CLASSES).softmax(-1)
        return torch.cat(boxes, 1), scores


def _classifier(width: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, _CLASSES), nn.Softmax(-1)]


def alexnet() -> nn.Module:
    """Krizhevsky, Sutskever and Hinton (2012): with groups and response normalisation; at 227 pixels."""
    return nn.Sequential(
        conv(3, 96, 11, 4, padding=0), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
        conv(96, 256, 5, groups=2), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
        conv(256, 384, 3), conv(384, 384, 3, groups=2), conv(384, 256, 3, groups=2), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, _CLASSES), nn.Softmax(-1),
    )  # fmt: skip


_INCEPTIONS = (
    (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), None, (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128), None, (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip


def googlenet() -> nn.Module:
    """Szegedy and others (2015): with 5 x 5 convolutions."""
    blocks: list[nn.Module] = []
    for sizes in _INCEPTIONS:
        if sizes is None:
            blocks.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            continue
        channels, one, three_in, three, five_in, five, pooled = sizes
        blocks.append(
            Branches([
                conv(channels, one), nn.Sequential(conv(channels, three_in), conv(three_in, three, 3)),
                nn.Sequential(conv(channels, five_in), conv(five_in, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(channels, pooled)),
            ])
        )  # fmt: skip
    return nn.Sequential(
        conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5), conv(64, 64), conv(64, 192, 3),
        nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2, ceil_mode=True), *blocks, *_classifier(1024),
    )  # fmt: skip


def _fire(channels: int, squeezed: int, width: int) -> nn.Module:
    return nn.Sequential(conv(channels, squeezed), Branches([conv(squeezed, width), conv(squeezed, width, 3)]))


def _fires(sizes: Iterable[tuple[int, int, int]]) -> list[nn.Module]:
    return [_fire(*one) for one in sizes]


def squeezenet() -> nn.Module:
    """SqueezeNet 1.1 (Iandola and others, 2016), whose last convolution pads its input; at 227 pixels."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        conv(3, 64, 3, 2, padding=0), pool, *_fires([(64, 16, 64), (128, 16, 64)]), pool,
        *_fires([(128, 32, 128), (256, 32, 128)]), pool,
        *_fires([(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]), conv(512, _CLASSES, padding=1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(-1),
    )  # fmt: skip


def resnet50() -> nn.Module:
    """He and others (2016), the first version: strides are on the first convolution of a block."""
    blocks: list[nn.Module] = []
    channels = 64
    for width, count, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for place in range(count):
            stride = first if place == 0 else 1
            body = nn.Sequential(conv(channels, width, 1, stride), conv(width, width, 3), linear_conv(width, 4 * width))
            blocks.append(Residual(body, linear_conv(channels, 4 * width, 1, stride) if place == 0 else None))
            channels = 4 * width
    return nn.Sequential(conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), *blocks, *_classifier(channels))


def inverted(channels: int, hidden: int, width: int, kernel: int, stride: int) -> nn.Module:
    """An inverted residual block (Sandler and others, 2018)."""
    expand = [conv(channels, hidden)] if hidden else []
    hidden = hidden or channels
    body = nn.Sequential(*expand, conv(hidden, hidden, kernel, stride, groups=hidden), linear_conv(hidden, width))
    return Residual(body, has_activation=False) if stride == 1 and channels == width else body


def mobilenet_v2() -> nn.Module:
    """Sandler and others (2018), with an expansion in the first block too."""
    blocks = [inverted(32, 32, 16, 3, 1)]
    channels = 16
    for width, count, stride in ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)):
        for place in range(count):
            blocks.append(inverted(channels, 6 * channels, width, 3, stride if place == 0 else 1))
            channels = width
    return nn.Sequential(conv(3, 32, 3, 2), *blocks, conv(320, 1280), *_classifier(1280))


_PROXYLESS = (
    (32, 48, 32, 5, 2), (32, 96, 32, 3, 1), (32, 96, 40, 7, 2), (40, 120, 40, 3, 1), (40, 120, 40, 5, 1), (40, 120, 40, 5, 1),
    (40, 240, 80, 7, 2), (80, 240, 80, 5, 1), (80, 240, 80, 5, 1), (80, 240, 80, 5, 1), (80, 480, 96, 5, 1), (96, 288, 96, 5, 1),
    (96, 288, 96, 5, 1), (96, 288, 96, 5, 1), (96, 576, 192, 7, 2), (192, 1152, 192, 7, 1), (192, 576, 192, 7, 1),
    (192, 576, 192, 7, 1), (192, 1152, 320, 7, 1),
)  # fmt: skip


def proxylessnasnet() -> nn.Module:
    """ProxylessNAS (Cai, Zhu and Han, 2019) as the benchmark's file has it."""
    blocks = [inverted(*sizes) for sizes in _PROXYLESS]
    return nn.Sequential(conv(3, 32, 3, 2), inverted(32, 0, 32, 3, 1), *blocks, conv(320, 1280), *_classifier(1280))


def shufflenet() -> nn.Module:
    """ShuffleNet with three groups (Zhang and others, 2018)."""
    blocks: list[nn.Module] = []
    channels, groups = 24, 3
    for width, count in ((240, 4), (480, 8), (960, 4)):
        for place in range(count):
            stride, added = (2, width - channels) if place == 0 else (1, width)
            body = nn.Sequential(
                conv(channels, width // 4, groups=1 if channels == 24 else groups), Shuffle(groups),
                linear_conv(width // 4, width // 4, 3, stride, groups=width // 4), linear_conv(width // 4, added, groups=groups),
            )  # fmt: skip
            if place == 0:
                blocks.append(nn.Sequential(Branches([nn.AvgPool2d(3, 2, 1), body]), nn.ReLU()))
            else:
                blocks.append(Residual(body))
            channels = width
    return nn.Sequential(conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1), *blocks, *_classifier(960))


def _separable(channels: int, width: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(conv(channels, channels, 3, stride, groups=channels), conv(channels, width))


def _heads(sizes: Iterable[tuple[int, int]], kernel: int) -> list[tuple[nn.Module, nn.Module]]:
    """Of stages, from their channels and anchors a position."""
    return [
        (linear_conv(channels, 4 * anchors, kernel), linear_conv(channels, _ANCHOR_CLASSES * anchors, kernel))
        for channels, anchors in sizes
    ]


def mobilenet_ssd() -> nn.Module:
    """SSD on MobileNet; at 300 pixels."""
    first = nn.Sequential(
        conv(3, 32, 3, 2), _separable(32, 64), _separable(64, 128, 2), _separable(128, 128), _separable(128, 256, 2),
        _separable(256, 256), _separable(256, 512, 2), *(_separable(512, 512) for _ in range(5)),
    )  # fmt: skip
    extra = [
        nn.Sequential(conv(channels, squeezed), conv(squeezed, width, 3, 2))
        for channels, squeezed, width in ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
    ]
    stages = [first, nn.Sequential(_separable(512, 1024, 2), _separable(1024, 1024)), *extra]
    return Detector(stages, _heads([(512, 3), (1024, 6), (512, 6), (256, 6), (256, 6), (128, 6)], 1))


def squeezenet_ssd() -> nn.Module:
    """SSD on SqueezeNet 1.1 with two more modules; at 300 pixels."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=False)
    first = nn.Sequential(
        conv(3, 64, 3, 2, padding=0),
        pool,
        *_fires([(64, 16, 64), (128, 16, 64)]),
        pool,
        *_fires([(128, 32, 128), (256, 32, 128)]),
    )
    stages = [
        first, nn.Sequential(pool, *_fires([(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)])),
        nn.Sequential(pool, _fire(512, 96, 384)), nn.Sequential(pool, _fire(768, 96, 384)),
        nn.Sequential(conv(768, 128), conv(128, 256, 3, 2)), nn.Sequential(conv(256, 64), conv(64, 128, 3, 2)),
    ]  # fmt: skip
    return Detector(stages, _heads([(256, 4), (512, 6), (768, 6), (768, 6), (256, 6), (128, 4)], 3))


def _leaky(channels: int, width: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, width, kernel, stride, kernel // 2), nn.LeakyReLU(0.1))


class _PartialStage(nn.Module):
    """A cross-stage partial block: half of the channels go on, and all are joined again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.first, self.second, self.third = _leaky(width, width), _leaky(half, half), _leaky(half, half)
        self.last = _leaky(width, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All of it at half the size, and what the last convolution gave."""
        whole = self.first(x)
        second = self.second(whole.chunk(2, 1)[1])
        last = self.last(torch.cat([self.third(second), second], 1))
        return nn.functional.max_pool2d(torch.cat([whole, last], 1), 2), last


class _TinyDetector(nn.Module):
    """YOLOv4-tiny: predictions at two sizes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_leaky(3, 32, 3, 2), _leaky(32, 64, 3, 2))
        self.stages = nn.ModuleList(_PartialStage(width) for width in (64, 128, 256))
        self.neck = nn.Sequential(_leaky(512, 512), _leaky(512, 256, 1))
        self.coarse = nn.Sequential(_leaky(256, 512), nn.Conv2d(512, outputs, 1))
        self.up = nn.Sequential(_leaky(256, 128, 1), nn.Upsample(scale_factor=2))
        self.fine = nn.Sequential(_leaky(384, 256), nn.Conv2d(256, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and fine predictions."""
        x = last = self.stem(x)
        for stage in self.stages:
            x, last = stage(x)
        x = self.neck(x)
        return self.coarse(x), self.fine(torch.cat([self.up(x), last], 1))


def yolov4_tiny() -> nn.Module:
    """YOLOv4-tiny (Wang, Bochkovskiy and Liao, 2021) for 80 classes; at 416 pixels."""
    return _TinyDetector(3 * 85)


NETWORKS = {
    network.__name__: network
    for network in (
        alexnet, googlenet, squeezenet, resnet50, mobilenet_v2, proxylessnasnet, shufflenet, mobilenet_ssd, squeezenet_ssd, yolov4_tiny,
    )
}  # fmt: skip
"""By name."""

ZOO = "ncnn"
"""What the column zoo says of them."""

FAMILIES = {
    "alexnet": ("torchvision", "alexnet"),
    "googlenet": ("torchvision", "googlenet"),
    "squeezenet": ("torchvision", "squeezenet1_1"),
    "squeezenet_ssd": ("torchvision", "squeezenet1_1"),
    "resnet50": ("torchvision", "resnet50"),
    "mobilenet_v2": ("torchvision", "mobilenet_v2"),
    "mobilenet_ssd": ("timm", "mobilenetv1_100"),
    "shufflenet": ("torchvision", "shufflenet_v2_x1_0"),
}
"""Of a network, an architecture of the same family."""
