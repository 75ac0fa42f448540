from __future__ import annotations

from zoo.records import Weights


def test_names_are_those_a_user_types() -> None:
    assert Weights("timm", "resnet50", "a1_in1k", "classification", None, 1000, "3x224x224").name == "timm/resnet50.a1_in1k"
