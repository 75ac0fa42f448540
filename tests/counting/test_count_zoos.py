"""Totals of real architectures against torch's own counter, which works on another level of operators."""

from __future__ import annotations

import pytest
from models_for_tests import NAMES, architectures, build, count, count_with_torch, without_time

from zoo.recording.memo import Memo
from zoo.records import Status

SHARED = Memo()
"""Filled by all of these tests, as a worker's memo is by all of its jobs."""

SAMPLE = NAMES[3::8]
LARGE = """
    nasnetalarge pnasnet5large mobilenetv5_base gemma4_vit_167m inception_v4 inception_resnet_v2 csatv2 repvit_m0_9 coat_tiny
    maxvit_t swin_v2_t densenet121 wide_resnet50_2 mobilenetv4_hybrid_medium swin_s3_tiny_224 coatnet_pico_rw_224""".split()
"""More than a second for torch's counter, which these tests wait for."""


def test_the_sample_covers_the_families_of_the_zoos() -> None:
    families = {(zoo, architectures(zoo)[arch].family) for zoo, _, arch in (name.partition("/") for name in NAMES)}
    assert len(families) >= 60


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name.partition("/")[2] in LARGE else []) for name in NAMES]
)
def test_macs_equal_those_of_torchs_own_counter(name: str) -> None:
    built = build(name)
    cost = count(built, SHARED)
    assert cost.status == Status.EXACT, cost.reason
    assert cost.macs == count_with_torch(built)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_memo_and_a_second_pass_change_no_figure(name: str) -> None:
    built, memo = build(name), Memo()
    without = without_time(count(built))
    assert without.macs > 0
    assert without_time(count(built, memo)) == without
    assert without_time(count(built, memo)) == without
    assert without_time(count(built, SHARED)) == without


def test_a_model_built_anew_costs_the_same() -> None:
    assert without_time(count(build(SAMPLE[0]))) == without_time(count(build(SAMPLE[0])))
