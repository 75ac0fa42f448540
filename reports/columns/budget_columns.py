"""Columns that depend on how a model is run: memory at a dtype and batch, speed on a device, the mAP of a task."""

from __future__ import annotations

from reports.columns.column import Better, Column, ColumnKind

_DERIVED = "derived from the count, see the assumptions"
_SPEED = "measured, or published or estimated where that is said"


def _memory(key: str, title: str, meaning: str, width: int) -> Column:
    return Column(key, title, meaning, _DERIVED, ColumnKind.NUMBER, "MB", 1e6, 2, Better.LOW, "Memory", width)


PEAK = _memory("peak_bytes", "Peak memory", "Most bytes of activations alive at one moment of inference, at the dtype and batch of the budget; input, weights and scratch inside kernels excluded.", 13)  # fmt: skip
WEIGHTS = _memory("weights_at_dtype_bytes", "Weights", "Bytes of parameters and buffers at the dtype of the budget.", 10)
WORKING = _memory("working_bytes", "Input and activations", "Peak memory and the input.", 13)
MEMORY = _memory("memory_bytes", "Memory", "Weights, input and activations together; scratch inside kernels and the runtime excluded.", 10)  # fmt: skip
LATENCY = Column("latency_ms", "Latency", "Time of one step of the budget's batch on its device.", _SPEED, ColumnKind.NUMBER, "ms", 1, 2, Better.LOW, "Speed", 10)  # fmt: skip
THROUGHPUT = Column("samples_per_s", "Throughput", "Images a second on the budget's device; where it has no batch, at the fastest one.", _SPEED, ColumnKind.NUMBER, "/s", 1, 0, Better.HIGH, "Speed", 10)  # fmt: skip
INTERVAL = ("latency_low_ms", "latency_high_ms")
"""Columns beside the latency: where an estimate lies nine times in ten."""
LATENCY_FIGURES = [LATENCY.key, *INTERVAL]

COCO_MAP = Column("coco_map", "mAP", "Mean average precision on COCO val2017, of the model's task: of keypoints for keypoint detectors, otherwise of boxes.", "published results", ColumnKind.NUMBER, "%", 1, 2, Better.HIGH, "Accuracy", 10)  # fmt: skip
COCO_MAP_BY_TASK = ("coco_keypoint_map", "coco_box_map")
"""The columns of the leaderboard it is taken from: the first that any model of the task has."""

RUN_COLUMNS = (COCO_MAP, PEAK, WEIGHTS, WORKING, MEMORY, LATENCY, THROUGHPUT)
"""What `reports.selection.candidates` adds to the leaderboard."""
