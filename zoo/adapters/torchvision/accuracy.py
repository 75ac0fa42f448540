"""torchvision's own results, from the metadata of its weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import torchvision
from torchvision.models import get_model_weights

from zoo.records import Accuracy, Weights

METRICS = {
    "acc@1": "top1",
    "acc@5": "top5",
    "box_map": "box_map",
    "mask_map": "mask_map",
    "kp_map": "keypoint_map",
    "miou": "miou",
    "pixel_acc": "pixel_accuracy",
    "epe": "end_point_error",
    "per_image_epe": "end_point_error_per_image",
    "fl_all": "fl_all",
}
"""Names of metrics by torchvision's names. Others keep torchvision's name."""


def read_accuracy(weights: Iterable[Weights]) -> list[Accuracy]:
    """The metrics in the metadata of torchvision's weights, at their evaluation input, dated by the installation of the package."""
    version = torchvision.__version__.partition("+")[0]
    installed = datetime.fromtimestamp(Path(torchvision.__file__).stat().st_mtime, UTC).isoformat(timespec="seconds")
    return [
        Accuracy(
            w.zoo, w.arch, w.tag, dataset.lower(), METRICS.get(metric, metric), w.input, float(value),
            f"torchvision {version}, metadata of the weights", installed, version,
        )
        for w in weights
        for dataset, metrics in get_model_weights(w.arch)[w.tag].meta.get("_metrics", {}).items()
        for metric, value in metrics.items()
        if math.isfinite(value)  # weights without a classifier state nan
    ]  # fmt: skip
