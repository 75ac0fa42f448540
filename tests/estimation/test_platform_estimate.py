"""Estimates on phones, accelerators and boards: features of models, ways of running, intervals and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from torch import nn

import zoo
from zoo.devices.device_names import find_device
from zoo.estimation.platforms.constants import dump_fitted, fitted_platforms, parse_fitted
from zoo.estimation.platforms.estimate import FIGURES, estimate_on_platforms, layers_on_platforms
from zoo.estimation.platforms.features import FEATURES, features_of
from zoo.estimation.platforms.platform import platforms
from zoo.estimation.platforms.settings import platform_runs_on
from zoo.estimation.terms.term import TimePart
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import Precision, RunConfig

INT8 = RunConfig(precision=Precision.INT8)


def workloads_of(model: nn.Module, name: str = "mine") -> pd.DataFrame:
    return pd.DataFrame(summarise(zoo.trace(model.eval(), (3, 32, 32)), by_module=True)).assign(model=name)


def net(width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, groups=width),
        nn.Conv2d(width, 2 * width, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 5),
    )  # fmt: skip


def test_features_are_sums_over_the_calls_of_a_model() -> None:
    (found,) = features_of(workloads_of(net()), ["model"]).to_dict("records")
    positions = 32 * 32
    stem, depthwise, pointwise, head = 3 * 9 * 8 * positions, 9 * 8 * positions, 8 * 16 * positions, 16 * 5
    assert found["macs"] == stem + depthwise + pointwise + head
    assert found["macs_spatial"] == stem
    assert found["macs_depthwise"] == depthwise
    assert found["macs_pointwise"] == pointwise
    assert found["macs_linear"] == head
    assert found["weights"] == (3 * 9 * 8 + 8) + (9 * 8 + 8) + (8 * 16 + 16) + (16 * 5 + 5)
    assert found["gates"] == 16 * positions
    assert found["matrix_calls"] == 4
    assert found["gemv_calls"] == 1
    assert found["unknown_calls"] == 0


def test_winograd_counts_the_products_of_whole_tiles() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, stride=2))
    (found,) = features_of(workloads_of(model), ["model"]).to_dict("records")
    assert found["macs_winograd"] == pytest.approx(8 * 8 * 6 * 6 * 64)  # 32 positions a side: six tiles of 6, 64 products each
    assert found["macs_spatial"] == pytest.approx(3 * 8 * 32 * 32 + 8 * 8 * 9 * 16 * 16)  # what strides is not transformed


def test_several_models_are_kept_apart_in_their_order() -> None:
    both = pd.concat([workloads_of(net(16), "wide"), workloads_of(net(8), "narrow")], ignore_index=True)
    found = features_of(both, ["model"])
    assert found.index.tolist() == ["wide", "narrow"]
    assert found.columns.tolist() == list(FEATURES)
    assert found.loc[["narrow"]].equals(features_of(workloads_of(net(8), "narrow"), ["model"]))


def test_every_platform_names_features_and_parts_that_there_are() -> None:
    for platform in platforms().values():
        for term in platform.terms:
            assert term.part in list(TimePart)
            assert set(term.takes) <= {*FEATURES, "one"}
        assert (platform.amounts(features_of(workloads_of(net()), ["model"])) >= 0).all()


def test_constants_are_read_as_they_are_written() -> None:
    shipped = fitted_platforms()
    again = parse_fitted(dump_fitted(list(shipped.values())))
    assert again.keys() == shipped.keys()
    for name, fitted in shipped.items():
        assert again[name].log_constants == pytest.approx(fitted.log_constants)
        assert again[name].spread == fitted.spread
        pd.testing.assert_frame_equal(again[name].settings, fitted.settings)
        assert len(fitted.log_constants) == len(fitted.settings)
        assert fitted.log_constants.shape[1] == len(fitted.platform.terms)


@pytest.mark.parametrize(
    ("device", "run", "origin"),
    [
        ("galaxy-s25", INT8, "from 19 published models"),
        ("galaxy-s23", INT8, "predicted from qcs8550"),  # it has the same chip
        ("galaxy-s24", INT8, "predicted from"),
        ("raspberry-pi-5", RunConfig(), "CPU"),
        ("raspberry-pi-4", RunConfig(), "predicted from"),
        ("hailo-8", INT8, "of a stream's images a second"),
        ("hailo-8l", INT8, "predicted from hailo-8"),
    ],
)
def test_a_model_of_ones_own_has_an_estimate_with_its_interval(device: str, run: RunConfig, origin: str) -> None:
    (found,) = estimate_on_platforms(features_of(workloads_of(net()), ["model"]), find_device(device), run).to_dict("records")
    assert 0 < found["latency_low_ms"] < found["latency_ms"] < found["latency_high_ms"]
    assert origin in found["latency_from"]


@pytest.mark.parametrize(
    ("device", "run"),
    [
        ("stm32h743", INT8),
        ("coral-edge-tpu", INT8),  # an accelerator of another maker: its operations a second say nothing of Qualcomm's NPUs
        ("hailo-8", RunConfig(precision=Precision.BF16)),
        ("galaxy-s25", RunConfig(precision=Precision.INT8, runtime="tensorrt")),
        ("galaxy-s25", RunConfig(precision=Precision.INT8, compiled=True)),
    ],
)
def test_what_nothing_supports_is_refused_with_the_reason(device: str, run: RunConfig) -> None:
    (found,) = estimate_on_platforms(features_of(workloads_of(net()), ["model"]), find_device(device), run).to_dict("records")
    assert all(pd.isna(found[name]) for name in FIGURES)
    assert found["latency_from"].startswith(f"no estimate: no device like {device} (in its chip, its cores or its series)")
    assert f"at {run.precision.dtype}, batch {run.batch}" in found["latency_from"]


@pytest.mark.parametrize(("device", "batches"), [("galaxy-s25", "1"), ("hailo-8", "1 and 8")])
def test_another_batch_is_refused_with_those_that_there_are(device: str, batches: str) -> None:
    run = RunConfig(precision=Precision.INT8, batch=16)
    (found,) = estimate_on_platforms(features_of(workloads_of(net()), ["model"]), find_device(device), run).to_dict("records")
    assert pd.isna(found["latency_ms"])
    assert found["latency_from"].endswith(f"are at batch {batches}, not 16")


def test_operations_that_nothing_is_known_of_are_refused() -> None:
    features = features_of(workloads_of(net()), ["model"]).assign(unknown_calls=1.0)
    (found,) = estimate_on_platforms(features, find_device("galaxy-s25"), INT8).to_dict("records")
    assert pd.isna(found["latency_ms"])
    assert found["latency_from"] == "no estimate: it has operations that nothing is known of"


def test_the_fastest_way_answers_and_others_can_be_chosen() -> None:
    features = features_of(workloads_of(net()), ["model"])
    device = find_device("galaxy-s25")
    open_ms = estimate_on_platforms(features, device, INT8)["latency_ms"].iloc[0]
    chosen_ms = [
        estimate_on_platforms(features, device, RunConfig(precision=Precision.INT8, runtime=runtime))["latency_ms"].iloc[0]
        for runtime in ("onnx", "qnn-dlc", "tflite")
    ]
    assert open_ms == min(chosen_ms) < max(chosen_ms)


def test_a_relative_is_foreseen_with_less_certainty_than_what_was_measured() -> None:
    features = features_of(workloads_of(net()), ["model"])

    def width(device: str) -> float:
        (found,) = estimate_on_platforms(features, find_device(device), INT8).to_dict("records")
        return float(np.log(found["latency_high_ms"] / found["latency_low_ms"]))

    assert width("qcs8550") < width("galaxy-s23") < width("galaxy-s24")


def test_a_model_measured_elsewhere_is_corrected_by_what_it_took_there() -> None:
    features = features_of(workloads_of(net()), ["model"])
    fitted = fitted_platforms()["qualcomm-npu"]
    known = fitted.effects[fitted.effects["dtype"] == "int8"].sort_values("log_effect").iloc[[0, -1]]
    found = [
        estimate_on_platforms(features, find_device("galaxy-s23"), INT8, models=known.iloc[[place]].reset_index(drop=True))
        for place in (0, 1)
    ]
    ratio = float(found[1]["latency_ms"].iloc[0] / found[0]["latency_ms"].iloc[0])
    assert np.log(ratio) == pytest.approx(known["log_effect"].iloc[1] - known["log_effect"].iloc[0], abs=1e-6)


def test_layers_share_the_time_and_keep_their_order() -> None:
    found = layers_on_platforms(workloads_of(net()), find_device("raspberry-pi-5"))
    assert found["position"].is_monotonic_increasing
    assert found["share"].sum() == pytest.approx(1)
    assert (found.loc[found["operation"] == "relu", "time_ms"] == 0).all()  # joined with its convolution
    assert set(found["bound"]) <= {"", *TimePart}


def test_a_board_is_foreseen_for_one_thread_and_for_each_of_its_fastest_cores() -> None:
    ways = platform_runs_on(find_device("raspberry-pi-4"), RunConfig(), fitted_platforms())
    assert {way.setting["threads"] for way in ways} == {1, 4}
    assert {way.setting["runtime"] for way in ways} == {"ncnn"}
