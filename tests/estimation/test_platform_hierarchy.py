"""The fit of many settings at once, the intervals, and what is foreseen of devices without measurements."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from zoo.estimation.arrays import Array
from zoo.estimation.platforms.hierarchy import Data, Hierarchy, Level, log_sum
from zoo.estimation.platforms.platform import SETTING, RelativesPrior, platforms
from zoo.estimation.platforms.relatives import Relatives, SettingTraits
from zoo.validation.platforms.intervals import conformal_quantile, held_out_quantiles, noise_of, weighted_quantile

PARTS = ["compute", "memory"]


def made_up(settings: int = 8, models: int = 40, noise: float = 0.0) -> tuple[Data, Array]:
    """Times of models whose two constants differ between settings by one factor each."""
    generator = np.random.default_rng(3)
    constants = np.log([2.0, 0.5]) + generator.normal(0, 0.5, (settings, 1))
    amounts = generator.lognormal(0, 1, (models, 2))
    setting, model = np.repeat(np.arange(settings), models), np.tile(np.arange(models), settings)
    log_time = log_sum(constants[setting], amounts[model])[1] + generator.normal(0, noise, settings * models)
    return Data(amounts[model], setting, log_time, np.ones(len(setting))), constants


def two_levels(settings: int = 8) -> Hierarchy:
    shared = Level(np.zeros(settings, dtype=np.intp), np.eye(2), np.full(2, 3.0))
    return Hierarchy(np.zeros(2), (shared,), Level(np.arange(settings), np.ones((2, 1)), np.array([3.0])))


def test_a_fit_finds_the_constants_that_made_the_times() -> None:
    data, constants = made_up()
    assert two_levels().fit(data).log_constants() == pytest.approx(constants, abs=0.01)


def test_the_order_of_measurements_does_not_matter() -> None:
    data, _ = made_up(noise=0.1)
    order = np.random.default_rng(0).permutation(len(data.log_time))
    shuffled = Data(data.amounts[order], data.setting[order], data.log_time[order], data.weight[order])
    assert two_levels().fit(shuffled).log_constants() == pytest.approx(two_levels().fit(data).log_constants(), abs=1e-3)


def test_a_wild_measurement_moves_little() -> None:
    data, constants = made_up(noise=0.02)
    data.log_time[::25] += 2.0
    assert two_levels().fit(data).log_constants() == pytest.approx(constants, abs=0.15)


def test_a_setting_without_measurements_has_the_constants_that_all_share() -> None:
    data, _ = made_up(noise=0.05)
    found = two_levels().fit(data.select(data.setting != 0))
    others = found.log_constants()[1:]
    assert found.log_constants()[0, 0] - found.log_constants()[0, 1] == pytest.approx(math.log(4), abs=0.05)
    assert others[:, 0] - others[:, 1] == pytest.approx(np.full(7, math.log(4)), abs=0.05)
    assert np.trace(found.covariance(0)) > 10 * np.trace(found.covariance(1))  # its own factor is only a prior


def test_the_covariance_is_that_of_constants_seen_again_and_again() -> None:
    clean, _ = made_up(settings=1, models=30)
    hierarchy = Hierarchy(np.zeros(2), (), Level(np.zeros(1, dtype=np.intp), np.eye(2), np.full(2, 3.0)))
    found = []
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(0, 0.1, len(clean.log_time))
        found.append(hierarchy.fit(Data(clean.amounts, clean.setting, clean.log_time + noise, clean.weight)).log_constants()[0])
    stated = hierarchy.fit(clean).covariance(0)
    assert np.sqrt(np.diag(np.cov(np.array(found).T))) == pytest.approx(np.sqrt(np.diag(stated)), rel=0.5)


def test_the_numbers_of_a_setting_reach_all_terms_or_those_of_their_part() -> None:
    platform = platforms()["qualcomm-npu"]
    settings = pd.DataFrame([dict.fromkeys(SETTING, "any")])
    factor, *parts = platform.hierarchy(settings).own.basis.T
    assert (factor == 1).all()
    names = sorted({term.part for term in platform.terms})
    assert [part.tolist() for part in parts] == [[term.part == name for term in platform.terms] for name in names]


def test_groups_weigh_the_same_however_many_rows_they_have() -> None:
    scores, groups = np.array([*[0.1] * 98, 5.0, 9.0]), np.array([*[0] * 98, 1, 2])
    assert weighted_quantile(scores, np.array([*[1 / 98] * 98, 1.0, 1.0]), 0.5) == 5.0
    assert noise_of(scores, groups) == pytest.approx(1.4826 * 5.0)


def test_few_unlike_groups_widen_a_quantile_as_students_distribution_is_wider() -> None:
    student = 2.132  # 95 % quantile with 4 degrees of freedom; two terms of the series give 1 %
    assert conformal_quantile((3.0 ** np.arange(5)).astype(np.float64), np.arange(5)) == pytest.approx(
        3.0**4 * student / 1.645, rel=0.01
    )
    assert (
        conformal_quantile((3.0 ** np.arange(20)).astype(np.float64), np.arange(20)) == 3.0**17
    )  # nine in ten of the others' quantiles hold
    assert conformal_quantile(np.ones(400), np.arange(400) % 5) == 1.0  # what is alike everywhere is sure


def test_an_interval_never_knows_its_own_group() -> None:
    scores, groups = np.array([1.0, 1.0, 1.0, 50.0]), np.array([0, 1, 2, 3])
    own = held_out_quantiles(scores, groups)
    assert own[3] < 2 < own[0]


def test_intervals_hold_nine_in_ten_of_new_groups() -> None:
    generator = np.random.default_rng(5)
    effects = np.repeat(generator.normal(0, 0.2, 200), 10)
    residuals = effects + generator.normal(0, 0.1, 2000)
    groups = np.repeat(np.arange(200), 10)
    deviation = noise_of(residuals, groups)
    held = np.abs(residuals) / deviation <= held_out_quantiles(np.abs(residuals) / deviation, groups)
    assert 0.87 < held.mean() < 0.93


PRIOR = RelativesPrior({"log_clock": (-1.0, 0.2)}, {"core": (0.5, None, 1.0)}, 0.1)


def board(core: str, clock_ghz: float) -> SettingTraits:
    return SettingTraits({"device": f"{core}-{clock_ghz}", "core": core}, {"log_clock": math.log(clock_ghz)})


def test_a_device_between_two_like_it_lies_between_them() -> None:
    known = [board("A76", 2.0), board("A76", 2.8), board("A53", 1.5)]
    constants = np.log([[1 / 2.0, 3.0], [1 / 2.8, 3.0 * 2 / 2.8], [4 / 1.5, 9.0]])
    found = Relatives(known, constants, PRIOR).predict(board("A76", 2.4))
    assert found is not None
    assert found.log_constants[0] == pytest.approx(-math.log(2.4), abs=0.05)
    assert found.nearest in ("A76-2.0", "A76-2.8")
    assert found.deviation < 0.2


def test_what_nothing_is_like_is_refused() -> None:
    others = [board("A76", 2.0), board("A53", 1.5)]
    assert Relatives(others, np.zeros((2, 2)), PRIOR).predict(board("X4", 3.0)) is None
    assert Relatives([], np.zeros((0, 2)), PRIOR).predict(board("X4", 3.0)) is None


def test_the_farther_the_relatives_the_wider() -> None:
    many = Relatives([board("A76", clock) for clock in (2.0, 2.2, 2.4, 2.6)], np.zeros((4, 2)), PRIOR)
    near, far = many.predict(board("A76", 2.3)), many.predict(board("A76", 0.5))
    assert near is not None
    assert far is not None
    assert near.deviation < far.deviation


def test_a_prediction_is_the_conditional_of_the_joint_normal_distribution() -> None:
    """Level, slope and residuals written as one covariance; the same object also predicts what has no clock."""
    prior = RelativesPrior({"log_clock": (-1.0, 0.2)}, {"core": (0.5, None, 1.0), "series": (0.3, "year", 2.0)}, 0.1)
    traits = [
        SettingTraits({"device": str(i), "core": core, "series": "S"}, {"log_clock": clock, "year": year})
        for i, (core, clock, year) in enumerate([("a", 0.1, 20.0), ("a", 0.5, 21.0), ("b", 0.7, 23.0), ("b", 0.2, 22.0)])
    ]
    values, target = np.array([[1.0, -2.0], [0.4, -2.2], [0.9, -1.5]]), traits[3]
    relatives = Relatives(traits[:3], values, prior)
    without_clock = relatives.predict(SettingTraits(target.labels, {"year": 22.0}))
    found = relatives.predict(target)
    core, series = (np.array([one.labels[label] for one in traits]) for label in ("core", "series"))
    clock, year = (np.array([one.numbers[number] for one in traits]) for number in ("log_clock", "year"))
    clock = clock - clock[:3].mean()
    alike = 0.25 * (core[:, None] == core) + 0.09 * (series[:, None] == series) * np.exp(-(((year[:, None] - year) / 2) ** 2) / 2)
    residual = alike + 0.01 * np.eye(4)
    for prediction, slope in ((found, 0.04), (without_clock, 0.0)):
        covariance = residual + 100.0 + slope * clock[:, None] * clock
        mean = -clock if slope else 0 * clock
        weights = np.linalg.solve(covariance[:3, :3], covariance[:3, 3])
        assert prediction is not None
        np.testing.assert_allclose(prediction.log_constants, mean[3] + weights @ (values - mean[:3, None]), rtol=1e-6)
        assert prediction.deviation**2 == pytest.approx(covariance[3, 3] - weights @ covariance[:3, 3], rel=1e-6)
        assert prediction.nearest == "2"
