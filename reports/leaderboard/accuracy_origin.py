"""Notes of a report on the origin of published accuracies, and on weights without any."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance

_IMAGENET = "imagenet-1k"


def source_note(source: str) -> str:
    """A note on a source: licence and origin of the figures that come with zoometer; empty for others."""
    return f"licence {snapshot_provenance().licence}, from {snapshot_provenance().source}" if is_of_snapshot(source) else ""


def snapshot_notes(weights: pd.DataFrame, accuracy: pd.DataFrame) -> Iterator[str]:
    """The date of the accuracies that come with zoometer, and the number of weights without one among them."""
    rows = accuracy[accuracy["source"].map(is_of_snapshot).astype(bool)]
    if rows.empty:
        return
    known = rows.loc[(rows["dataset"] == _IMAGENET) & (rows["metric"] == "top1"), ["arch", "tag"]].drop_duplicates()
    shown = weights.loc[(weights["zoo"] == "timm") & (weights["dataset"] == _IMAGENET), ["arch", "tag"]]
    unknown = len(shown) - len(shown.merge(known, on=["arch", "tag"]))
    day = max(rows["retrieved_at"])[:10]
    missing = f" {unknown:,} of the {len(shown):,} sets of ImageNet-1k weights shown are not among them." if unknown else ""
    yield f"timm's accuracies are those of {day} that come with zoometer.{missing}"
