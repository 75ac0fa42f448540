"""Rules on input sizes, found by trying sizes of pretended models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zoo.inputs import image_tensor
from zoo.workers.input_constraints import InputConstraints, learn_constraints

Runs = Callable[[int, int], bool]


def learn(native: str, runs: Runs) -> tuple[InputConstraints, list[str]]:
    """What is known of a model that runs by this rule, and the inputs it was tried at."""
    tried: list[str] = []

    def at(input: str) -> bool:
        tried.append(input)
        height, width = image_tensor(input).shape[-2:]
        return runs(height, width)

    found = learn_constraints([native], at)
    assert found is not None
    return found, tried


@pytest.mark.parametrize(
    ("native", "runs", "input", "rule"),
    [
        ("3x448x448", lambda h, w: h % 14 == w % 14 == 0, "3x160x160", "must be a multiple of 14"),
        ("3x256x256", lambda h, w: h % 256 == w % 256 == 0, "3x160x160", "must be a multiple of 256"),
        ("3x240x240", lambda h, w: h % 120 == w % 120 == 0, "3x224x224", "must be a multiple of 120"),
        ("3x768x768", lambda h, w: h % 48 == w % 48 == 0, "3x512x512", "must be a multiple of 48"),
        ("3x224x224", lambda h, w: h == w, "3x160x192", "must be square"),
        ("3x224x224", lambda h, w: h == w and h % 32 == 0, "3x160x192", "must be square"),
        ("3x224x224", lambda h, w: h % 32 == w % 32 == 0, "3x224x200", "must be a multiple of 32"),
        ("3x224x224", lambda h, w: min(h, w) >= 65, "3x64x64", "must be at least 65"),
        ("3x224x224", lambda h, w: min(h, w) >= 65, "3x96x32", "must be at least 65"),
        ("3x224x224", lambda h, w: max(h, w) <= 300, "3x384x384", "must be at most 300"),
        ("3x224x224", lambda h, w: min(h, w) >= 193 and max(h, w) <= 224, "3x160x160", "must lie between 193 and 224"),
        ("3x224x224", lambda h, w: min(h, w) >= 193 and max(h, w) <= 224, "3x512x512", "must be at most 224"),
        ("3x224x224", lambda h, w: h == w == 224, "3x160x160", "must be 224x224"),
        ("3x16x112x112", lambda h, w: h % 16 == w % 16 == 0, "3x16x120x120", "must be a multiple of 16"),
        ("77:int64;x=3x64x64", lambda h, w: h % 8 == w % 8 == 0, "77:int64;x=3x60x60", "must be a multiple of 8"),
    ],
)
def test_the_rule_of_a_model_is_found(native: str, runs: Runs, input: str, rule: str) -> None:
    found, tried = learn(native, runs)
    assert found.explain(input) == f"the input {rule}; it is made for {native}"
    assert len(tried) < 50


def test_a_rule_is_looked_for_once() -> None:
    found, tried = learn("3x448x448", lambda h, w: h % 14 == w % 14 == 0)
    found.explain("3x160x160")
    before = len(tried)
    assert "multiple of 14" in found.explain("3x384x512")
    assert len(tried) == before


def test_no_rule_is_told_where_none_fits_all_that_was_tried() -> None:
    found, tried = learn("3x211x211", lambda h, w: h % 8 == w % 8 == 3)
    assert found.explain("3x200x200") == "it does not run at 3x200x200; it is made for 3x211x211"
    assert len(tried) < 50


def test_what_has_no_height_and_width_has_no_rule() -> None:
    found = learn_constraints(["28x28", "784"], lambda _: True)
    assert found is not None
    assert found.explain("32x32") == "it does not run at 32x32; it is made for 28x28 and 784"


def test_nothing_is_learnt_of_a_model_that_does_not_run_at_its_own_size() -> None:
    assert learn_constraints(["3x224x224"], lambda _: False) is None
