"""Estimates of speed: their terms by hand, and where they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

import zoo
from zoo.devices.data_sheets import parse_device
from zoo.devices.device import Device
from zoo.devices.device_names import find_device
from zoo.devices.device_spec import device_spec, sustained_share
from zoo.errors import SpeedError
from zoo.estimation.calibration import SHARES, Calibration, calibrate, format_calibration, parse_calibration
from zoo.estimation.constants import Constants, dump_constants, parse_constants, shipped_constants
from zoo.estimation.estimate import FIGURES, device_deviation, estimate, layers
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.gpu_terms import GPU_EAGER
from zoo.estimation.terms.term_models import TERM_MODELS
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import Precision, RunConfig

FP16, AMP = RunConfig(precision=Precision.FP16), RunConfig(precision=Precision.AMP, layout="nhwc")
PEAK, VECTOR, BANDWIDTH = 100e12, 20e12, 500e9
CARD = parse_device(
    "card",
    {
        "kind": "desktop-gpu",
        "source": "a test",
        "peak": {"fp16_tensor_fp16_acc": "200 TFLOP/s", "fp16_tensor_fp32_acc": "100 TFLOP/s", "fp32_vector": "20 TFLOP/s"},
        "memory_bandwidth": "500 GB/s",
        "memory": "8 GiB",
    },
)
SUSTAINED = 1.09  # of the stated peak, on cards that nobody measured and that accumulate in float32 at half the rate
HALF = 2
KERNEL_S = 1e-6


def workloads(model: nn.Module, shape: tuple[int, ...], name: str = "mine", **options: Any) -> pd.DataFrame:
    options = {"precision": "fp16", **options}
    return pd.DataFrame(summarise(zoo.trace(model, shape, **options))).assign(model=name)


def constants_of(**values: float) -> Constants:
    """Zero for every term that is not given."""
    shipped = shipped_constants()["gpu-eager"]
    return replace(shipped, values={**dict.fromkeys(shipped.values, 0.0), "kernel": KERNEL_S, **values})


def step_s(rows: pd.DataFrame, constants: Constants, device: Device = CARD, **options: Any) -> float:
    """The device's part of the time of a step."""
    run = RunConfig(**{"precision": Precision.FP16, **options})
    table = estimate(rows, device, run, constants=constants, key=["model"])
    calls = int(rows["calls"].sum())
    whole = float(table["latency_ms"].iloc[0]) / 1000
    return float((whole**4 - (calls * GPU_EAGER.host_s_per_call) ** 4) ** 0.25)


BATCH = 4096


def test_products_take_as_long_as_their_padded_sizes_at_the_peak() -> None:
    rows = workloads(nn.Linear(40, 100, bias=False), (40,))
    padded = 2 * BATCH * 128 * 64  # 100 outputs fill 128, 40 inputs fill 64
    expected = 3 * padded / (SUSTAINED * PEAK) + KERNEL_S
    assert step_s(rows, constants_of(dense=3.0), batch=BATCH) == pytest.approx(expected, rel=1e-3)


def test_cards_sustain_what_was_measured_of_them() -> None:
    assert sustained_share(find_device("t4")) == pytest.approx(24 / 65)  # held to 70 W
    assert sustained_share(find_device("rtx-3090")) == pytest.approx(78 / 71)  # runs above its stated clock
    assert sustained_share(CARD) == SUSTAINED


def test_a_card_at_full_rate_sustains_less_and_at_little_power_still_less() -> None:
    exact = {name: figure for name, figure in CARD.peak_per_s.items() if name != "fp16_tensor_fp16_acc"}
    full = replace(CARD, peak_per_s=exact)
    held = find_device("rtx-pro-6000-max-q")
    assert held.power_w is not None
    assert held.compute_units is not None
    twice = replace(held, power_w=replace(held.power_w, value=2 * held.power_w.value))
    assert sustained_share(held) < sustained_share(twice) == sustained_share(full) < SUSTAINED


def test_short_contractions_take_longer() -> None:
    rows = workloads(nn.Linear(40, 100, bias=False), (40,))
    plain, short = (step_s(rows, constants_of(dense=1.0, short_contraction=value), batch=BATCH * 256) for value in (0.0, 40.0))
    assert (short - KERNEL_S) / (plain - KERNEL_S) == pytest.approx(1 + 40 / 40)


def test_bytes_take_as_long_as_the_bandwidth_says_and_weights_are_read_once() -> None:
    rows = workloads(nn.Linear(40, 100, bias=False), (40,))
    nbytes = HALF * (BATCH * 16 * (40 + 100) + 40 * 100)
    assert step_s(rows, constants_of(stream=2.0), batch=BATCH * 16) == pytest.approx(2 * nbytes / BANDWIDTH + KERNEL_S, rel=1e-3)


def test_an_eager_convolution_adds_its_bias_in_a_pass_of_its_own_and_a_compiled_one_does_not() -> None:
    image, image_out = HALF * 8 * 16 * 16, HALF * 8 * 16 * 16
    expected = {}
    for bias in (False, True):
        rows = workloads(nn.Conv2d(8, 8, 3, padding=1, bias=bias), (8, 16, 16), layout="nhwc")
        free = HALF * (8 * 8 * 9 + 8 * bias)
        expected[bias] = (BATCH * (image + image_out * (1 + 2 * bias)) + free) / BANDWIDTH + KERNEL_S
        assert step_s(rows, constants_of(stream=1.0), batch=BATCH, layout="nhwc") == pytest.approx(expected[bias], rel=1e-3)
    with_bias = workloads(nn.Conv2d(8, 8, 3, padding=1), (8, 16, 16), layout="nhwc")
    compiled = step_s(with_bias, constants_of(stream=1.0), batch=BATCH, layout="nhwc", compiled=True)
    assert compiled == pytest.approx(expected[False], rel=1e-3)


def test_channels_first_convolutions_convert_on_the_way() -> None:
    first, last = (workloads(nn.Conv2d(8, 8, 1, bias=False), (8, 16, 16), layout=layout) for layout in ("nchw", "nhwc"))
    conversion = constants_of(conversion=1.0)
    both = BATCH * HALF * (8 + 8) * 16 * 16 / BANDWIDTH
    assert step_s(first, conversion, batch=BATCH) == pytest.approx(both + KERNEL_S, rel=1e-3)
    assert step_s(last, conversion, batch=BATCH, layout="nhwc") == pytest.approx(KERNEL_S, abs=KERNEL_S)


def test_depthwise_convolutions_run_on_ordinary_cores() -> None:
    rows = workloads(nn.Conv2d(64, 64, 3, groups=64, bias=False), (64, 18, 18))
    macs = BATCH * 64 * 16 * 16 * 9
    assert step_s(rows, constants_of(depthwise=5.0), batch=BATCH) == pytest.approx(5 * 2 * macs / VECTOR + KERNEL_S, rel=1e-3)


def test_what_fits_the_cache_moves_faster() -> None:
    cached = parse_device(
        "cached",
        {
            "kind": "desktop-gpu",
            "source": "a test",
            "peak": {"fp16_tensor_fp32_acc": "100 TFLOP/s", "fp32_vector": "20 TFLOP/s"},
            "memory_bandwidth": "500 GB/s",
            "cache": "64 MiB",
        },
    )
    rows = workloads(nn.GELU(), (1024,))
    small, large = (step_s(rows, constants_of(stream=1.0), cached, batch=batch) - KERNEL_S for batch in (256, 1 << 20))
    assert large * 256 / (1 << 20) > 2 * max(small, 1e-9)


def test_many_small_calls_wait_for_the_host() -> None:
    layer_count = 200
    rows = workloads(nn.Sequential(*(nn.ReLU() for _ in range(layer_count))), (8,))
    table = estimate(rows, CARD, FP16, key=["model"], constants=constants_of())
    assert float(table["latency_ms"].iloc[0]) == pytest.approx(1000 * layer_count * GPU_EAGER.host_s_per_call, rel=0.01)
    assert float(table["share_overhead"].iloc[0]) == pytest.approx(1.0)


def test_a_compiler_saves_what_it_joins() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Hardswish())
    rows = workloads(model, (8, 64, 64))
    constants = constants_of(stream=1.0)
    eager, compiled = (
        estimate(rows, CARD, replace(FP16, batch=256, compiled=compiled), key=["model"], constants=constants)
        for compiled in (False, True)
    )
    assert float(compiled["latency_ms"].iloc[0]) < 0.6 * float(eager["latency_ms"].iloc[0])


@pytest.fixture(scope="module")
def resnet() -> pd.DataFrame:
    from models_for_tests import build

    built = build("timm/resnet18")
    return workloads(built.model, built.shape, "resnet18", precision="amp", layout="nhwc")


def test_shares_sum_to_one_and_the_interval_holds_the_estimate(resnet: pd.DataFrame) -> None:
    row = estimate(resnet, find_device("rtx-3090"), replace(AMP, batch=256), key=["model"]).iloc[0]
    assert sum(row[name] for name in SHARES) == pytest.approx(1.0)
    assert row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"]
    assert row["samples_per_s"] == pytest.approx(256 / row["latency_ms"] * 1000)
    assert row["latency_from"] == "estimated, not calibrated"


def test_another_kind_of_device_has_a_wider_interval(resnet: pd.DataFrame) -> None:
    card = find_device("rtx-3090")
    widths = []
    for device in (card, replace(card, kind="data-centre-gpu")):
        row = estimate(resnet, device, replace(AMP, batch=8), key=["model"]).iloc[0]
        widths.append(row["latency_high_ms"] / row["latency_low_ms"])
    assert widths[1] > 1.1 * widths[0]


def test_layers_sum_to_the_devices_time_and_say_what_binds_them(resnet: pd.DataFrame) -> None:
    table = layers(resnet, find_device("rtx-3090"), replace(AMP, batch=256))
    whole = estimate(resnet, find_device("rtx-3090"), replace(AMP, batch=256), key=["model"])
    assert table["time_ms"].sum() == pytest.approx(float(whole["latency_ms"].iloc[0]), rel=1e-3)
    assert table["share"].sum() == pytest.approx(1.0)
    bound = table.set_index("operation")["bound"]
    assert set(bound["relu"]) == {"memory"}
    deep = table[table["module"].str.startswith("layer4") & (table["operation"] == "conv2d")]
    assert "compute" in set(deep["bound"])


@pytest.mark.parametrize(
    ("device", "precision", "reason"),
    [
        ("stm32h743", Precision.AMP, "devices of the kind microcontroller are not estimated from their data sheets"),
        ("pixel-8", Precision.AMP, "devices of the kind phone"),
        ("coral-edge-tpu", Precision.AMP, "devices of the kind accelerator"),
        ("ryzen-7-7840u", Precision.FP32, "memory bandwidth of ryzen-7-7840u is not known"),
        ("core-i9-10940x", Precision.FP32, "a desktop-cpu needs a calibration"),
        ("core-i9-10940x", Precision.AMP, "the peak rate of core-i9-10940x in float16 is not known"),
        ("rtx-3090", Precision.INT8, "nothing is known of the precision int8"),
        ("rtx-3060", Precision.BF16, "the peak rate of rtx-3060 in bfloat16 is not known"),
    ],
)
def test_what_nothing_supports_is_refused(resnet: pd.DataFrame, device: str, precision: Precision, reason: str) -> None:
    table = estimate(resnet, find_device(device), RunConfig(precision=precision), key=["model"])
    assert table[list(FIGURES)].isna().all(axis=None)
    assert reason in table["latency_from"].iloc[0]
    assert table["latency_from"].iloc[0].startswith("no estimate: ")


def test_a_model_that_does_not_fit_the_memory_is_refused_and_others_are_not(resnet: pd.DataFrame) -> None:
    rows = pd.concat([resnet, resnet.assign(model="larger", model_peak_bytes=30e9)], ignore_index=True)
    table = estimate(rows, find_device("rtx-3090"), AMP, key=["model"])
    assert table["latency_ms"].isna().tolist() == [False, True]
    assert "does not fit into the memory" in table["latency_from"].iloc[1]


def test_a_model_with_an_unknown_operation_is_refused(resnet: pd.DataFrame) -> None:
    rows = resnet.assign(work=resnet["work"].where(resnet["work"] != "pool", "unknown"))
    table = estimate(rows, find_device("rtx-3090"), AMP, key=["model"])
    assert "operations that nothing is known of" in table["latency_from"].iloc[0]


def test_layers_of_a_device_without_an_estimate_say_why(resnet: pd.DataFrame) -> None:
    with pytest.raises(SpeedError, match="devices of the kind phone"):
        layers(resnet, find_device("pixel-8"), AMP)


def test_only_the_rows_of_the_precision_and_layout_asked_for_are_used(resnet: pd.DataFrame) -> None:
    both = pd.concat([resnet.assign(layout="nhwc"), resnet.assign(layout="nchw", macs=0.0)], ignore_index=True)
    both["precision"] = "amp"
    one, other = (estimate(rows, find_device("rtx-3090"), AMP, key=["model"]) for rows in (both, resnet))
    pd.testing.assert_frame_equal(one, other)


def test_the_shipped_constants_name_every_term_and_their_origin() -> None:
    assert set(shipped_constants()) == set(TERM_MODELS)
    rows = workloads(nn.ReLU(), (8,))
    spec = device_spec(CARD, "float16")
    for name, constants in shipped_constants().items():
        model = TERM_MODELS[name]
        terms = model.terms(Calls(rows, is_compiled=model.is_compiled), spec)
        assert list(constants.values) == [term.name for term in terms]
        assert constants.of_terms([term.name for term in terms]).min() > 0
        assert constants.fitted_on
        assert constants.command.startswith(("zoometer validate-speed ", "python tests/benchmarks/cpu_constants.py "))


def test_constants_are_read_as_they_were_written() -> None:
    constants = shipped_constants()["gpu-eager"]
    assert parse_constants(dump_constants([constants]))["gpu-eager"] == constants


def estimates_of(log_shares: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Uncalibrated estimates of 10 ms, with given shares."""
    return pd.DataFrame(log_shares, columns=list(SHARES)).assign(
        model=[f"m{i}" for i in range(len(log_shares))], batch=1, latency_ms=10.0, device="card", precision="amp",
        layout="nchw", compiled=False,
    )  # fmt: skip


def test_a_calibration_finds_the_factor_and_that_computing_is_slower() -> None:
    generator = np.random.default_rng(3)
    shares = generator.dirichlet([2, 2, 1], size=60)
    table = estimates_of(shares)
    truth = np.log(1.5) + 0.4 * shares[:, 0]
    measured = table[["model", "batch"]].assign(latency_ms=10 * np.exp(truth + generator.normal(0, 0.05, 60)))
    calibration = calibrate(table, measured, key=["model"])
    assert np.abs(calibration.log_factors(shares) - truth).max() < 0.12
    assert calibration.coefficients[1] > max(calibration.coefficients[2:]) + 0.1
    assert calibration.standard_error < 0.05
    assert calibration.measurements == 60


def test_one_wild_measurement_does_not_decide() -> None:
    table = estimates_of(np.full((10, 3), 1 / 3))
    measured = table[["model", "batch"]].assign(latency_ms=[*[12.0] * 9, 120.0])
    assert calibrate(table, measured, key=["model"]).factor == pytest.approx(1.2, rel=0.06)


def test_more_measurements_make_a_calibration_surer() -> None:
    generator = np.random.default_rng(5)
    errors = []
    for count in (5, 50):
        table = estimates_of(np.full((count, 3), 1 / 3))
        measured = table[["model", "batch"]].assign(latency_ms=10 * np.exp(generator.normal(0, 0.1, count)))
        errors.append(calibrate(table, measured, key=["model"]).standard_error)
    assert errors[1] < 0.6 * errors[0]


def test_too_few_measurements_are_refused() -> None:
    table = estimates_of(np.full((4, 3), 1 / 3))
    with pytest.raises(SpeedError, match="4 of the measurements have an estimate"):
        calibrate(table, table[["model", "batch", "latency_ms"]], key=["model"])


def calibration_of(device: str, layout: str = "nhwc") -> Calibration:
    covariance = tuple(tuple(0.01 * (i == j) for j in range(4)) for i in range(4))
    return Calibration(RunConfig(device, Precision.AMP, layout), 10, (np.log(2.0), 0.0, 0.0, 0.0), covariance)


def test_a_calibrated_estimate_is_corrected_and_says_so(resnet: pd.DataFrame) -> None:
    run = replace(AMP, batch=8)
    plain, calibrated = (
        estimate(resnet, find_device("t4"), run, calibration=c, key=["model"]) for c in (None, calibration_of("t4"))
    )
    assert float(calibrated["latency_ms"].iloc[0]) == pytest.approx(2 * float(plain["latency_ms"].iloc[0]))
    assert calibrated["latency_from"].iloc[0] == "estimated, calibrated with 10 measurements"


@pytest.mark.parametrize("calibration", [calibration_of("rtx-3090"), calibration_of("t4", "nchw")])
def test_a_calibration_of_another_device_or_layout_is_refused(resnet: pd.DataFrame, calibration: Calibration) -> None:
    table = estimate(resnet, find_device("t4"), AMP, calibration=calibration, key=["model"])
    assert "the calibration is of" in table["latency_from"].iloc[0]
    assert table["latency_ms"].isna().all()


def test_a_cpu_gives_figures_to_calibrate_with(resnet: pd.DataFrame) -> None:
    table = estimate(resnet, find_device("core-i9-10940x"), key=["model"], for_calibration=True)
    assert table["latency_ms"].notna().all()


def test_a_calibration_is_read_as_it_was_written() -> None:
    calibration = calibration_of("t4")
    assert parse_calibration(format_calibration(calibration)) == calibration


@pytest.mark.parametrize("content", ["", "device: t4", "- 1", "device: [", "covariance: 3"])
def test_a_file_that_is_no_calibration_is_refused(content: str) -> None:
    with pytest.raises(SpeedError, match="is no calibration"):
        parse_calibration(content)


def test_a_card_unlike_those_fitted_to_has_a_wider_interval() -> None:
    constants = shipped_constants()["gpu-eager"]
    fitted, alike, newer, other_kind = map(find_device, ("rtx-4090", "rtx-4070", "rtx-5090", "t4"))
    assert device_deviation(constants, fitted) == device_deviation(constants, alike) == constants.device_deviation
    assert device_deviation(constants, newer) == device_deviation(constants, other_kind) > constants.device_deviation
