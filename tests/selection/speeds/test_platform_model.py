"""The estimate of a single model on a phone: a model that was measured on other devices is corrected by what it took there."""

from __future__ import annotations

import numpy as np
import pytest

from reports.selection.speeds.model_estimate import estimate_model
from zoo.cache.store import Store
from zoo.devices.device_names import find_device
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.records import MODEL_COLUMNS
from zoo.run_config import Precision, RunConfig


def test_a_model_of_a_zoo_has_its_effect(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    run, store = RunConfig("galaxy-s24", Precision.INT8), Store(str(tmp_path))
    device, target = find_device("galaxy-s24"), "torchvision/resnet18.IMAGENET1K_V1"
    found = estimate_model(target, device, run, None, store)
    effects = fitted_platforms()["qualcomm-npu"].effects
    own = effects[
        (effects["dtype"] == "int8") & (effects[MODEL_COLUMNS] == ["torchvision", "resnet18", "3x224x224", "base"]).all(axis=1)
    ]
    monkeypatch.setattr("reports.selection.speeds.model_estimate._named_model", lambda *_: None)
    without = estimate_model(target, device, run, None, store)
    assert found.latency_ms is not None
    assert without.latency_ms is not None
    assert np.log(found.latency_ms / without.latency_ms) == pytest.approx(own["log_effect"].item(), abs=0.01)  # three digits


@pytest.mark.parametrize(
    ("device", "run", "reason"),
    [
        ("raspberry-pi-4", RunConfig(batch=8), "raspberry-pi-4 and of devices like it are at batch 1, not 8"),
        ("raspberry-pi-4", RunConfig(precision=Precision.W8A16), "no device like raspberry-pi-4"),
        ("rtx-3090", RunConfig(precision=Precision.INT8), "models are not traced in this precision"),
    ],
)
def test_what_has_no_estimate_says_why(tmp_path: object, device: str, run: RunConfig, reason: str) -> None:
    found = estimate_model("torchvision/alexnet", find_device(device), run, None, Store(str(tmp_path)))
    assert found.latency_ms is None
    assert reason in found.latency_from
