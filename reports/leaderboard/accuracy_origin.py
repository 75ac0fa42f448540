"""What a report says about where published accuracies come from, and what that source does not know."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance

_IMAGENET = "imagenet-1k"


def source_note(source: str) -> str:
    """What is to be known of a source beside its name: of the figures that come with zoometer, whose they are."""
    return f"licence {snapshot_provenance().licence}, from {snapshot_provenance().source}" if is_of_snapshot(source) else ""


def snapshot_notes(weights: pd.DataFrame, accuracy: pd.DataFrame) -> Iterator[str]:
    """Which accuracies came with zoometer, of which day, and how many weights there are that they say nothing of."""
    rows = accuracy[accuracy["source"].map(is_of_snapshot).astype(bool)]
    if rows.empty:
        return
    known = rows.loc[(rows["dataset"] == _IMAGENET) & (rows["metric"] == "top1"), ["arch", "tag"]].drop_duplicates()
    there_are = weights.loc[(weights["zoo"] == "timm") & (weights["dataset"] == _IMAGENET), ["arch", "tag"]]
    unknown = len(there_are) - len(there_are.merge(known, on=["arch", "tag"]))
    day = max(rows["retrieved_at"])[:10]
    lacking = f" {unknown:,} of the {len(there_are):,} sets of ImageNet-1k weights shown are not among them." if unknown else ""
    yield f"timm's accuracies are those of {day} that come with zoometer.{lacking}"
