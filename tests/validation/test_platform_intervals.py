"""Intervals from what was left out of a fit: they hold nine in ten of what another group gives."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.validation.platforms.intervals import conformal_quantile, held_out_quantiles, weighted_quantile


def scores_of(
    groups: int, each: int, spread: float, seed: int
) -> tuple[np.typing.NDArray[np.float64], np.typing.NDArray[np.intp]]:
    """Amounts of normal values whose deviation differs between groups."""
    random = np.random.default_rng(seed)
    deviation = np.exp(spread * random.normal(size=groups))
    return np.abs(random.normal(size=(groups, each)) * deviation[:, None]).ravel(), np.repeat(np.arange(groups), each)


@pytest.mark.parametrize(("groups", "spread"), [(40, 0.0), (40, 0.6), (12, 0.6), (5, 0.6), (3, 0.6)])
def test_what_the_others_say_holds_about_nine_in_ten(groups: int, spread: float) -> None:
    covered = []
    for seed in range(60):
        scores, group = scores_of(groups, 20, spread, seed)
        covered.append(np.mean(scores <= held_out_quantiles(scores, group)))
    assert 0.84 < np.mean(covered) < 0.96


def test_many_alike_groups_need_no_correction() -> None:
    scores, group = scores_of(200, 10, 0.0, 0)
    assert conformal_quantile(scores, group) == pytest.approx(weighted_quantile(scores, np.ones(len(scores)), 0.9), rel=0.02)


def test_few_groups_are_widened_and_never_narrowed() -> None:
    for groups in (1, 2, 3, 4):
        scores, group = scores_of(groups, 30, 0.4, groups)
        assert conformal_quantile(scores, group) >= weighted_quantile(scores, np.ones(len(scores)), 0.9)
