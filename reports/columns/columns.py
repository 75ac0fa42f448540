"""Every column of every report, declared once: what it is called, its unit, what it means and where its figures come from.

Tables hold exact values under `key`; renderers divide by `scale` and round to `digits`, and nothing else. The page, the
workbook and the exports read these declarations and know no column by name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class Kind(StrEnum):
    """How a value is stored and shown."""

    TEXT = "text"
    INTEGER = "integer"  # exact whole number, shown in units of `scale`
    NUMBER = "number"  # measured or published figure
    FLAG = "flag"
    LINK = "link"  # an http(s) address


class Better(StrEnum):
    """Which end of the column a reader wants."""

    LOW = "low"
    HIGH = "high"
    NEITHER = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit` is that of the shown figure (`G` for a MACs column of scale 1e9); exports add `export_unit` to names."""

    key: str
    title: str
    meaning: str
    origin: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    scale: float = 1
    digits: int = 0
    better: Better = Better.NEITHER
    group: str = "Model"
    width: int = 12  # characters
    shown: bool = True  # visible before the reader chooses columns
    export_unit: str = ""  # unit of the exact value, where the key does not already name what is counted (macs, weight_bytes)

    @property
    def export_name(self) -> str:
        """Name in CSV, JSON and Parquet, with the unit of the exact value: `imagenet_top1_percent`, `macs`."""
        return f"{self.key}_{self.export_unit}" if self.export_unit else self.key

    @property
    def header(self) -> str:
        """Title with its unit: `Params (M)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def is_figure(self) -> bool:
        """Whether the column holds numbers (right-aligned, sortable by size)."""
        return self.kind in (Kind.INTEGER, Kind.NUMBER)


_ZOO = "the zoo's own registry, read without building the model"
_COUNTED = "counted by zoometer on torch's meta device"


def _accuracy(key: str, title: str, dataset: str, metric: str, *, shown: bool = False) -> Column:
    meaning = f"{metric} on {dataset}, in percent, published for these weights at this input size."
    origin = "published results (see the sources)"
    return Column(key, title, meaning, origin, Kind.NUMBER, "%", 1, 2, Better.HIGH, "Accuracy", 10, shown, "percent")


def _error(key: str, title: str, dataset: str, metric: str) -> Column:
    meaning = f"{metric} on {dataset}, published for these weights; less is better."
    origin = "published results (see the sources)"
    return Column(key, title, meaning, origin, Kind.NUMBER, "px", 1, 2, Better.LOW, "Accuracy", 11, True, "pixels")


def _outliers(key: str, title: str, dataset: str) -> Column:
    return dataclasses.replace(
        _error(key, title, dataset, "Percent of pixels whose end-point error is above 3 pixels and 5 % of the flow"),
        unit="%",
        export_unit="percent",
    )


@dataclass(frozen=True, slots=True)
class AccuracyColumn:
    """Which column shows which published metric."""

    dataset: str
    metric: str
    column: Column


ACCURACY_COLUMNS: tuple[AccuracyColumn, ...] = (
    AccuracyColumn(
        "imagenet-1k", "top1", _accuracy("imagenet_top1", "Top-1", "ImageNet-1k validation", "Top-1 accuracy", shown=True)
    ),
    AccuracyColumn(
        "imagenet-1k", "top5", _accuracy("imagenet_top5", "Top-5", "ImageNet-1k validation", "Top-5 accuracy", shown=True)
    ),
    AccuracyColumn("imagenet-real", "top1", _accuracy("imagenet_real_top1", "ReaL top-1", "ImageNet ReaL", "Top-1 accuracy")),
    AccuracyColumn(
        "imagenet-v2", "top1", _accuracy("imagenet_v2_top1", "V2 top-1", "ImageNet-V2 (matched frequency)", "Top-1 accuracy")
    ),
    AccuracyColumn(
        "imagenet-sketch", "top1", _accuracy("imagenet_sketch_top1", "Sketch top-1", "ImageNet-Sketch", "Top-1 accuracy")
    ),
    AccuracyColumn("imagenet-a", "top1", _accuracy("imagenet_a_top1", "A top-1", "ImageNet-A", "Top-1 accuracy")),
    AccuracyColumn("imagenet-r", "top1", _accuracy("imagenet_r_top1", "R top-1", "ImageNet-R", "Top-1 accuracy")),
    # Before that of boxes, because those of a keypoint detector are boxes of persons alone.
    AccuracyColumn("coco-val2017", "keypoint_map", _accuracy("coco_keypoint_map", "Keypoint mAP", "COCO val2017 (persons)", "Mean average precision of keypoints", shown=True)),
    AccuracyColumn("coco-val2017", "box_map", _accuracy("coco_box_map", "Box mAP", "COCO val2017", "Mean average precision of boxes", shown=True)),
    AccuracyColumn("coco-val2017", "mask_map", _accuracy("coco_mask_map", "Mask mAP", "COCO val2017", "Mean average precision of masks", shown=True)),
    AccuracyColumn("coco-val2017-voc-labels", "miou", _accuracy("coco_voc_miou", "Mean IoU", "COCO val2017 with the labels of Pascal VOC", "Mean intersection over union", shown=True)),
    AccuracyColumn("coco-val2017-voc-labels", "pixel_accuracy", _accuracy("coco_voc_pixel_accuracy", "Pixel acc.", "COCO val2017 with the labels of Pascal VOC", "Share of pixels classified correctly", shown=True)),
    AccuracyColumn("kinetics-400", "top1", _accuracy("kinetics400_top1", "Kinetics top-1", "Kinetics-400", "Top-1 accuracy", shown=True)),
    AccuracyColumn("kinetics-400", "top5", _accuracy("kinetics400_top5", "Kinetics top-5", "Kinetics-400", "Top-5 accuracy", shown=True)),
    AccuracyColumn("sintel-train-cleanpass", "end_point_error", _error("sintel_train_clean_epe", "Sintel train clean EPE", "the clean pass of Sintel's training set", "End-point error")),
    AccuracyColumn("sintel-train-finalpass", "end_point_error", _error("sintel_train_final_epe", "Sintel train final EPE", "the final pass of Sintel's training set", "End-point error")),
    AccuracyColumn("sintel-test-cleanpass", "end_point_error", _error("sintel_test_clean_epe", "Sintel test clean EPE", "the clean pass of Sintel's test set", "End-point error")),
    AccuracyColumn("sintel-test-finalpass", "end_point_error", _error("sintel_test_final_epe", "Sintel test final EPE", "the final pass of Sintel's test set", "End-point error")),
    AccuracyColumn("kitti-train", "end_point_error_per_image", _error("kitti_train_epe", "KITTI train EPE", "KITTI's training set", "End-point error averaged over images")),
    AccuracyColumn("kitti-train", "fl_all", _outliers("kitti_train_fl_all", "KITTI train Fl-all", "KITTI's training set")),
    AccuracyColumn("kitti-test", "fl_all", _outliers("kitti_test_fl_all", "KITTI test Fl-all", "KITTI's test set")),
)  # fmt: skip
"""Columns by what was published. A task is ranked by the first of these that anything in it has (`quality_of`)."""


def quality_of(rows: pd.DataFrame) -> Column | None:
    """The accuracy that rows of one task are ranked by: the first that any of them has; None where none is known."""
    return next((a.column for a in ACCURACY_COLUMNS if rows[a.column.key].notna().any()), None)


_IDENTITY = (
    Column("model", "Model", "Architecture and weights tag: zoo/arch.tag.", _ZOO, width=44),
    Column("zoo", "Zoo", "Where the model comes from.", _ZOO, width=11),
    Column("arch", "Architecture", "Constructor in the zoo.", _ZOO, width=34, shown=False),
    Column("tag", "Weights", "Tag of the trained weights.", _ZOO, width=26, shown=False),
    Column("family", "Family", "Module of the zoo that defines the architecture.", _ZOO, width=20),
    Column("task", "Task", "What the model is for.", _ZOO, width=14, shown=False),
    Column("input", "Input", "Shape counted at, without the batch: channels x height x width.", _ZOO, width=12),
    Column(
        "classes",
        "Classes",
        "Outputs of the classifier, or labels a detector tells apart; 0 where the model gives features.",
        _ZOO,
        Kind.INTEGER,
        width=9,
        shown=False,
    ),
    Column(
        "variant",
        "Variant",
        "base: as built. deploy: re-parameterised for inference. features: the backbone alone, giving the feature maps of its stages.",
        _ZOO,
        width=9,
        shown=False,
    ),
    Column(
        "batch",
        "Batch",
        "Images in one forward pass; amounts are those of the whole batch.",
        "the configuration",
        Kind.INTEGER,
        width=8,
        shown=False,
    ),
)

_COST = (
    Column("params", "Params", "Trainable numbers of the model, each shared one once.", _COUNTED, Kind.INTEGER, "M", 1e6, 2, Better.LOW, "Cost", 11),
    Column("macs", "MACs", "Multiply-accumulates of one batch (of one image, where no batch is shown) in convolutions, linear layers, matrix products and attention (convention matmul).", _COUNTED, Kind.INTEGER, "G", 1e9, 2, Better.LOW, "Cost", 10),
    Column("flops", "FLOPs", "Two for each MAC of the matmul convention: an amount of work, not a rate.", _COUNTED, Kind.INTEGER, "G", 1e9, 2, Better.LOW, "Cost", 10, False),
    Column("activations", "Activations", "Elements written by convolutions, linear layers, matrix products and attention.", _COUNTED, Kind.INTEGER, "M", 1e6, 2, Better.LOW, "Cost", 12),
    Column("peak_activation_bytes", "Peak memory", "Most bytes of activations alive at one moment of inference in float32; input, weights and scratch inside kernels excluded.", _COUNTED, Kind.INTEGER, "MB", 1e6, 2, Better.LOW, "Cost", 13),
    Column("weight_bytes", "Weight memory", "Bytes of parameters and buffers in float32.", _COUNTED, Kind.INTEGER, "MB", 1e6, 1, Better.LOW, "Cost", 14, False),
    Column("file_bytes", "File", "Size of the weights file, where the zoo states it.", _ZOO, Kind.INTEGER, "MB", 1e6, 1, Better.LOW, "Cost", 10, False),
    Column("operations", "Operations", "Calls of counted or copying operations in one forward pass.", _COUNTED, Kind.INTEGER, "", 1, 0, Better.LOW, "Cost", 11, False),
)  # fmt: skip

_TRUST = (
    Column("status", "Status", "exact: every operation accounted for. bound: an assumption is named. failed: not counted.", _COUNTED, group="Provenance", width=8),
    Column("reason", "Reason", "Which assumption was made, or why counting failed.", _COUNTED, group="Provenance", width=50, shown=False),
    Column("on_frontier", "Frontier", "No other model of the same task is as good at fewer MACs, by the metric the task is ranked by.", "computed from this table", Kind.FLAG, group="Provenance", width=9),
    Column("license", "Licence", "Licence of the weights as the zoo states it.", _ZOO, group="Provenance", width=16, shown=False),
    Column("dataset", "Trained on", "Dataset of the last training stage, as far as the zoo says.", _ZOO, group="Provenance", width=14, shown=False),
    Column("source", "Card", "Where the weights or their description can be found.", _ZOO, Kind.LINK, group="Provenance", width=12, shown=False),
)  # fmt: skip

LEADERBOARD: tuple[Column, ...] = (*_IDENTITY, *(a.column for a in ACCURACY_COLUMNS), *_COST, *_TRUST)
"""One row per weights and input size."""


def columns_for(leaderboard: pd.DataFrame, latencies: Sequence[Column] = ()) -> tuple[Column, ...]:
    """`LEADERBOARD` and, after its costs, the speeds asked for; variant and batch are shown where rows differ in them."""
    differing = {key for key in ("variant", "batch") if len(leaderboard[key].unique()) > 1}
    declared = (*_IDENTITY, *(a.column for a in ACCURACY_COLUMNS), *_COST, *latencies, *_TRUST)
    return tuple(dataclasses.replace(c, shown=True) if c.key in differing else c for c in declared)


COVERAGE: tuple[Column, ...] = tuple(
    c
    for c in (*_IDENTITY, *_TRUST)
    if c.key in {"zoo", "arch", "task", "input", "classes", "variant", "batch", "status", "reason"}
)
"""Architectures that failed or are only bounded, with the reason."""

UNMATCHED: tuple[Column, ...] = (
    Column("source", "Source", "Table the result was published in.", "published results", width=28),
    Column("name", "Name", "Name used there.", "published results", width=40),
    Column("input", "Input", "Input size used there.", "published results", width=12),
    Column("reason", "Reason", "Why it belongs to no row of the leaderboard.", "computed by zoometer", width=60),
)
"""Published results that found no model."""
