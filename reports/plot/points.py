"""The data of a picture of a budget's answer: its models, their families and the frontier."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from reports.columns.column import Better, Column
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.selection import State

MOST_FAMILIES = 8
_OTHERS = "others"


@dataclass(frozen=True)
class Points:
    """The models of an answer whose cost and accuracy are known, in the units of their columns."""

    answer: BudgetAnswer
    cost: Column
    accuracy: Column
    rows: pd.DataFrame = field(repr=False)  # of the answer's table: x, y, family, fits, on_frontier, model, arch, input

    @classmethod
    def of(cls, answer: BudgetAnswer, cost: Column, accuracy: Column) -> Points:
        """The models with positive cost and known accuracy."""
        selection = answer.selection
        rows = selection.table[["model", "arch", "input"]].assign(
            family=selection.table["family"].fillna(_OTHERS),
            x=selection.table[cost.key].astype("Float64") / cost.scale,
            y=selection.table[accuracy.key].astype("Float64") / accuracy.scale,
            fits=selection.in_state(State.FITS),
            on_frontier=selection.on_frontier.to_numpy(),
        )
        drawn = (rows["x"] > 0).fillna(False) & rows["y"].notna()
        return cls(answer, cost, accuracy, rows[drawn].astype({"x": float, "y": float}))

    @property
    def families(self) -> list[str]:
        """The most frequent families among those that fit, the most frequent first."""
        counts = Counter(self.rows.loc[self.rows["fits"], "family"])
        return sorted(counts, key=lambda family: (-counts[family], family))[:MOST_FAMILIES]

    @property
    def frontier(self) -> pd.DataFrame:
        """The models on the frontier, the least cost first, without duplicates."""
        rows = self.rows[self.rows["on_frontier"]].drop_duplicates(["x", "y"])
        return rows.sort_values("x", ascending=self.cost.better is not Better.HIGH, kind="stable")

    @property
    def frontier_names(self) -> list[str]:
        """`edgenext_base`, with its input where it is there at several: `edgenext_base 320`."""
        rows = self.frontier
        counts = Counter(rows["arch"])
        return [
            f"{arch} {_short_size(shape)}" if counts[arch] > 1 else arch
            for arch, shape in zip(rows["arch"], rows["input"], strict=True)
        ]


def _short_size(shape: str) -> str:
    """`320` for `3x320x320`, `384x512` for `3x384x512`."""
    sides = shape.split("x")[1:]
    return sides[0] if len(set(sides)) == 1 else "x".join(sides) or shape
