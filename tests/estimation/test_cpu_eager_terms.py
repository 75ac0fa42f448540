"""What eager models need of a CPU, term by term, and how well that foresees measured times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from paths import FIXTURES
from torch import Tensor, nn

import zoo
from zoo.cache.store import Store
from zoo.devices.data_sheets import parse_device
from zoo.devices.device_names import find_device
from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.calibration import calibrate
from zoo.estimation.constants import shipped_constants
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.cpu_eager_terms import cpu_eager_terms
from zoo.estimation.terms.term_models import term_model
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import RunConfig
from zoo.settings import Execution
from zoo.validation.calibrate_device import compare_estimates, estimate_measured
from zoo.validation.measured_models import TraceSource

PEAK, BANDWIDTH, CACHE = 100e9, 10e9, 60e6
SPEC = DeviceSpec(
    is_gpu=False, vector_flops_per_s=PEAK, matrix_flops_per_s=PEAK, conv_flops_per_s=PEAK, bytes_per_s=BANDWIDTH,
    cache_bytes=CACHE, memory_bytes=None,
)  # fmt: skip
FLOAT = 4
BYTE_S = 4 / PEAK
"""Seconds that a byte within the caches takes: that of four FLOP."""


def terms(model: nn.Module, shape: tuple[int, ...], batch: int = 1, spec: DeviceSpec = SPEC) -> dict[str, float]:
    """Those of a whole pass that are not zero."""
    rows = pd.DataFrame(summarise(zoo.trace(model, shape, precision="fp32")))
    calls = Calls(rows, batch)
    sums = {term.name: float((term.seconds * calls["calls"]).sum()) for term in cpu_eager_terms(calls, spec)}
    return {name: value for name, value in sums.items() if value}


KERNELS = ("gemm", "conv", "grouped", "depthwise")


@pytest.mark.parametrize(
    ("layer", "size", "batch", "kernel"),
    [
        (nn.Conv2d(64, 64, 1), 56, 1, "gemm"),
        (nn.Conv2d(64, 64, 1), 56, 15, "gemm"),
        (nn.Conv2d(64, 64, 1), 56, 16, "conv"),
        (nn.Conv2d(64, 64, 1, stride=2), 56, 1, "conv"),
        (nn.Conv2d(64, 64, 3, padding=1), 56, 1, "conv"),
        (nn.Conv2d(80, 64, 3, padding=1), 16, 1, "gemm"),  # 80 x 16 x 16 = 20,480 elements: the most that still are few
        (nn.Conv2d(80, 64, 3, padding=1), 16, 2, "conv"),
        (nn.Conv2d(81, 64, 3, padding=1), 16, 1, "conv"),
        (nn.Conv2d(80, 64, 7, padding=3), 16, 1, "conv"),
        (nn.Conv2d(64, 64, 3, padding=1, groups=8), 56, 1, "grouped"),
        (nn.Conv2d(64, 64, 1, groups=8), 56, 1, "gemm"),
        (nn.Conv2d(64, 64, 3, padding=1, groups=64), 7, 1, "depthwise"),
        (nn.Conv2d(64, 64, 1, groups=64), 56, 1, "gemm"),
        (nn.Conv2d(64, 128, 3, padding=1, groups=64), 56, 1, "grouped"),  # two outputs a channel: no kernel of its own
    ],
)
def test_convolutions_get_the_kernel_that_torch_chooses(layer: nn.Conv2d, size: int, batch: int, kernel: str) -> None:
    found = terms(layer, (layer.in_channels, size, size), batch)
    assert [name for name in KERNELS if name in found] == [kernel]


def test_a_linear_layer_is_a_matrix_product_that_is_slower_where_it_is_thin() -> None:
    found = terms(nn.Linear(32, 64, bias=False), (8, 32), batch=4)
    seconds = 2 * 4 * 8 * 32 * 64 / PEAK
    assert found["gemm"] == pytest.approx(seconds)
    assert found["thin_gemm"] == pytest.approx(seconds * 16 * (1 / (4 * 8) + 1 / 64 + 1 / 32))
    assert found["gemm_moves"] == pytest.approx(FLOAT * 4 * 8 * (32 + 64) * BYTE_S)
    assert found["weights"] == pytest.approx(FLOAT * 32 * 64 * BYTE_S)


def test_windows_of_small_inputs_are_copied_out_as_columns_and_those_of_large_ones_into_blocks() -> None:
    layer = nn.Conv2d(16, 32, 3, padding=1, bias=False)
    small, large = terms(layer, (16, 8, 8)), terms(layer, (16, 64, 64))
    assert small["columns"] == pytest.approx(2 * FLOAT * (16 * 9) * (8 * 8) * BYTE_S)  # written and read
    assert "conv_moves" not in small
    assert large["conv_moves"] == pytest.approx(FLOAT * (16 + 32) * 64 * 64 * BYTE_S)
    assert large["conv_weights"] == pytest.approx(FLOAT * 32 * 16 * 9 * BYTE_S)
    assert "columns" not in large


def test_groups_of_a_pointwise_convolution_are_products_one_after_another() -> None:
    found = terms(nn.Conv2d(64, 64, 1, groups=8), (64, 14, 14), batch=3)
    assert found["group_call"] == 3 * 8
    assert "gemm_call" not in found


def test_narrow_groups_leave_blocks_of_eight_empty() -> None:
    full, quarter = (terms(nn.Conv2d(64, 64, 3, groups=groups), (64, 56, 56)) for groups in (8, 32))
    assert full["narrow_groups"] == pytest.approx(full["grouped"])
    assert quarter["narrow_groups"] == pytest.approx(4 * quarter["grouped"])


def test_depthwise_convolutions_in_channels_last_are_apart() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(64, 64, 3, padding=1, groups=64)

        def forward(self, tokens: Tensor) -> Tensor:
            mixed: Tensor = self.conv(tokens.transpose(1, 2).view(-1, 64, 14, 14))
            return mixed

    moved = FLOAT * 2 * 64 * 14 * 14 * BYTE_S
    first, last = terms(Tokens().conv, (64, 14, 14)), terms(Tokens(), (196, 64))
    assert first["depthwise_moves"] == pytest.approx(moved)
    assert last["last_depthwise_moves"] == pytest.approx(moved)
    assert "depthwise_moves" not in last


@pytest.mark.parametrize(("layer", "term"), [(nn.MaxPool2d(5, 1, 2), "max_pools"), (nn.AvgPool2d(5, 1, 2), "pools")])
def test_a_pooling_looks_at_each_position_of_its_window(layer: nn.Module, term: str) -> None:
    found = terms(layer, (8, 12, 12))
    assert found[term] == pytest.approx(64 * 25 * 8 * 12 * 12 / PEAK)


def test_functions_compute_and_rectifiers_only_move() -> None:
    gelu, relu = terms(nn.GELU(), (100,)), terms(nn.ReLU(), (100,))
    assert gelu["functions"] == pytest.approx(64 * 100 / PEAK)
    assert "functions" not in relu
    assert relu["stream"] == pytest.approx(FLOAT * 2 * 100 * BYTE_S)


def test_what_the_cache_does_not_hold_comes_from_memory() -> None:
    elements, held = 50_000_000, 0.6 * CACHE
    found = terms(nn.ReLU(), (elements,))
    moved = 2 * FLOAT * elements
    assert found["beyond_cache"] == pytest.approx(moved * moved / (moved + held) / BANDWIDTH)
    small = terms(nn.ReLU(), (1000,))
    assert small["beyond_cache"] < 1e-3 * 2 * FLOAT * 1000 / BANDWIDTH


def test_eager_and_compiled_cpus_have_constants_of_their_own() -> None:
    for compiled, name in ((False, "cpu-eager"), (True, "cpu-compiled")):
        assert term_model(find_device("core-i9-10940x"), RunConfig(compiled=compiled)).name == name
        assert shipped_constants()[name].needs_calibration


MEASURED = FIXTURES / "cpu_speeds.csv"
"""One thread of an AMD EPYC, torch 2.14.1, float32, one image, eager: architectures that the constants were not fitted to, as
`tests/benchmarks/cpu_speed.py CACHE --write FILE` writes them."""


@pytest.mark.slow
def test_forty_architectures_are_ranked_after_a_calibration_with_ten_others(tmp_path: Path) -> None:
    rows = pd.read_csv(MEASURED).head(50).assign(zoo="timm", variant="base", batch=1)
    rows = rows.sort_values("latency_ms", ignore_index=True)
    peak = f"{rows['peak_gflops_per_s'].iloc[0]} GFLOP/s"
    sheet: dict[str, Any] = {"kind": "server-cpu", "source": "measured", "peak": {"fp32_vector": peak}, "cache": "32 MiB"}
    device = parse_device("cpu", {**sheet, "memory_bandwidth": "18.7 GB/s"})
    store = Store(str(tmp_path / "cache"))
    store.prepare()
    workloads = TraceSource(store.address, Execution(workers=2)).workloads(rows, RunConfig())
    estimates = estimate_measured(device, RunConfig(), workloads, rows)
    calibrating = np.arange(len(rows)) % 5 == 2
    others = rows[~calibrating]
    calibration = calibrate(estimates, rows[calibrating])
    found = compare_estimates(estimate_measured(device, RunConfig(), workloads, others, calibration), others)
    assert calibration.measurements == 10
    assert found.models == 40
    assert found.rank_correlation >= 0.95
    assert found.median_error_percent < 20
