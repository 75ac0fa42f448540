"""The columns of published accuracy, one for each dataset and metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.columns.column import Better, Column, ColumnKind

if TYPE_CHECKING:
    import pandas as pd

_ORIGIN = "published results (see the sources)"
_MAP = "Mean average precision"
_EPE = "End-point error"
_OUTLIERS = "Percent of pixels whose end-point error is above 3 pixels and 5 % of the flow"
_VOC = "COCO val2017 with the labels of Pascal VOC"


@dataclass(frozen=True, slots=True)
class AccuracyColumn:
    """The column that shows a published metric."""

    dataset: str
    metric: str
    column: Column


def _accuracy(dataset: str, metric: str, column: tuple[str, str, str, str], *, shown: bool = True) -> AccuracyColumn:
    """A percentage; `column` is its key, title, dataset and metric in words."""
    key, title, of, what = column
    meaning = f"{what} on {of}, in percent, published for these weights at this input size."
    number = (ColumnKind.NUMBER, "%", 1, 2, Better.HIGH, "Accuracy", 10, shown, "percent")
    return AccuracyColumn(dataset, metric, Column(key, title, meaning, _ORIGIN, *number))


def _error(dataset: str, metric: str, column: tuple[str, str, str, str]) -> AccuracyColumn:
    """An error of optical flow, in pixels or in percent of them."""
    key, title, of, what = column
    meaning = f"{what} on {of}, published for these weights; less is better."
    unit, export_unit = ("%", "percent") if what == _OUTLIERS else ("px", "pixels")
    number = (ColumnKind.NUMBER, unit, 1, 2, Better.LOW, "Accuracy", 11, True, export_unit)
    return AccuracyColumn(dataset, metric, Column(key, title, meaning, _ORIGIN, *number))


ACCURACY_COLUMNS: tuple[AccuracyColumn, ...] = (
    _accuracy("imagenet-1k", "top1", ("imagenet_top1", "Top-1", "ImageNet-1k validation", "Top-1 accuracy")),
    _accuracy("imagenet-1k", "top5", ("imagenet_top5", "Top-5", "ImageNet-1k validation", "Top-5 accuracy")),
    _accuracy("imagenet-1k", "zero_shot_top1", ("imagenet_zero_shot_top1", "Zero-shot top-1", "ImageNet-1k validation", "Top-1 accuracy without training on its classes")),
    _accuracy("imagenet-real", "top1", ("imagenet_real_top1", "ReaL top-1", "ImageNet ReaL", "Top-1 accuracy"), shown=False),
    _accuracy("imagenet-v2", "top1", ("imagenet_v2_top1", "V2 top-1", "ImageNet-V2 (matched frequency)", "Top-1 accuracy"), shown=False),
    _accuracy("imagenet-sketch", "top1", ("imagenet_sketch_top1", "Sketch top-1", "ImageNet-Sketch", "Top-1 accuracy"), shown=False),
    _accuracy("imagenet-a", "top1", ("imagenet_a_top1", "A top-1", "ImageNet-A", "Top-1 accuracy"), shown=False),
    _accuracy("imagenet-r", "top1", ("imagenet_r_top1", "R top-1", "ImageNet-R", "Top-1 accuracy"), shown=False),
    # Before that of boxes, because the boxes of a keypoint detector are of persons only.
    _accuracy("coco-val2017", "keypoint_map", ("coco_keypoint_map", "Keypoint mAP", "COCO val2017 (persons)", f"{_MAP} of keypoints")),
    _accuracy("coco-val2017", "box_map", ("coco_box_map", "Box mAP", "COCO val2017", f"{_MAP} of boxes")),
    _accuracy("coco-val2017", "mask_map", ("coco_mask_map", "Mask mAP", "COCO val2017", f"{_MAP} of masks")),
    _accuracy("coco-val2017-voc-labels", "miou", ("coco_voc_miou", "Mean IoU", _VOC, "Mean intersection over union")),
    _accuracy("coco-val2017-voc-labels", "pixel_accuracy", ("coco_voc_pixel_accuracy", "Pixel acc.", _VOC, "Share of pixels classified correctly")),
    _accuracy("pascal-voc-2012", "miou", ("voc_miou", "VOC mean IoU", "Pascal VOC 2012", "Mean intersection over union")),
    _accuracy("ade20k", "miou", ("ade20k_miou", "ADE20K mean IoU", "ADE20K", "Mean intersection over union")),
    _accuracy("cityscapes", "miou", ("cityscapes_miou", "Cityscapes mean IoU", "Cityscapes", "Mean intersection over union")),
    _accuracy("dota-v1-test", "box_map", ("dota_box_map", "DOTA mAP", "the test set of DOTA v1", f"{_MAP} of oriented boxes")),
    _accuracy("nyu-depth-v2", "delta1", ("nyu_delta1", "NYU δ1", "NYU Depth V2", "Pixels whose depth is within a factor of 1.25")),
    _accuracy("kinetics-400", "top1", ("kinetics400_top1", "Kinetics top-1", "Kinetics-400", "Top-1 accuracy")),
    _accuracy("kinetics-400", "top5", ("kinetics400_top5", "Kinetics top-5", "Kinetics-400", "Top-5 accuracy")),
    _accuracy("cifar-10", "top1", ("cifar10_top1", "CIFAR-10 top-1", "CIFAR-10", "Top-1 accuracy"), shown=False),
    _accuracy("cifar-100", "top1", ("cifar100_top1", "CIFAR-100 top-1", "CIFAR-100", "Top-1 accuracy"), shown=False),
    _accuracy("svhn", "top1", ("svhn_top1", "SVHN top-1", "SVHN", "Top-1 accuracy"), shown=False),
    _accuracy("cub-200-2011", "top1", ("cub200_top1", "CUB top-1", "CUB-200-2011", "Top-1 accuracy"), shown=False),
    _error("sintel-train-cleanpass", "end_point_error", ("sintel_train_clean_epe", "Sintel train clean EPE", "the clean pass of Sintel's training set", _EPE)),
    _error("sintel-train-finalpass", "end_point_error", ("sintel_train_final_epe", "Sintel train final EPE", "the final pass of Sintel's training set", _EPE)),
    _error("sintel-test-cleanpass", "end_point_error", ("sintel_test_clean_epe", "Sintel test clean EPE", "the clean pass of Sintel's test set", _EPE)),
    _error("sintel-test-finalpass", "end_point_error", ("sintel_test_final_epe", "Sintel test final EPE", "the final pass of Sintel's test set", _EPE)),
    _error("kitti-train", "end_point_error_per_image", ("kitti_train_epe", "KITTI train EPE", "KITTI's training set", f"{_EPE} averaged over images")),
    _error("kitti-train", "fl_all", ("kitti_train_fl_all", "KITTI train Fl-all", "KITTI's training set", _OUTLIERS)),
    _error("kitti-test", "fl_all", ("kitti_test_fl_all", "KITTI test Fl-all", "KITTI's test set", _OUTLIERS)),
)  # fmt: skip
"""In the order of their importance: `ranking_accuracy` takes the first that a task has."""


def ranking_accuracy(rows: pd.DataFrame) -> Column | None:
    """The accuracy that rows of one task are ranked by: the first column with a value; None where accuracy is unknown."""
    return next((a.column for a in ACCURACY_COLUMNS if rows[a.column.key].notna().any()), None)
