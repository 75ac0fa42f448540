"""Workloads: what a trace asks of a device, derived by hand for small networks."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import torch
from models_for_tests import Calling, build
from torch import Tensor, nn

import zoo
from zoo.cache.schema.tables import TABLES, TRACE_KEY
from zoo.estimation.workloads.work import UNFUSED_WORKS, WORKS
from zoo.estimation.workloads.workload import COLUMNS, summarise

HALF, FULL = 2, 4  # bytes


def rows_of(model: nn.Module, shape: tuple[int, ...], **options: Any) -> list[dict[str, Any]]:
    return summarise(zoo.trace(model, shape, **options))


def row_of(rows: list[dict[str, Any]], operation: str) -> dict[str, Any]:
    (row,) = [row for row in rows if row["operation"] == operation]
    return row


def test_a_convolution_is_a_product_of_positions_channels_and_window() -> None:
    row = row_of(rows_of(nn.Conv2d(8, 24, (3, 2), groups=2), (8, 10, 9)), "conv2d")
    positions, window = (10 - 3 + 1) * (9 - 2 + 1), 3 * 2
    assert (row["work"], row["groups"], row["group_width"], row["kernel"]) == ("grouped", 2, 8 // 2, window)
    assert (row["m"], row["n"], row["k"], row["products"]) == (positions, 24 / 2, 8 // 2 * window, 2)
    assert row["macs"] == positions * 24 * (8 // 2) * window
    assert row["bytes_in"] == FULL * 8 * 10 * 9
    assert row["bytes_out"] == FULL * 24 * positions
    assert row["free_bytes"] == FULL * (24 * (8 // 2) * window + 24)  # weights and bias
    assert row["has_bias"]


@pytest.mark.parametrize(
    ("layer", "work"),
    [
        (nn.Conv2d(3, 8, 3), "stem"),
        (nn.Conv2d(8, 8, 3), "conv"),
        (nn.Conv2d(8, 8, 3, groups=8), "depthwise"),
        (nn.Conv2d(8, 8, 3, groups=4), "grouped"),
        (nn.BatchNorm2d(8), "batch_norm"),
        (nn.GroupNorm(2, 8), "norm"),
        (nn.MaxPool2d(2), "pool"),
        (nn.Softmax(dim=1), "softmax"),
        (nn.GELU(), "elementwise"),
        (nn.Linear(6, 5), "linear"),
    ],
)
def test_layers_have_their_class_of_work(layer: nn.Module, work: str) -> None:
    channels = layer.in_channels if isinstance(layer, nn.Conv2d) else 8
    (row,) = rows_of(layer, (channels, 6, 6))
    assert row["work"] == work


def test_products_of_activations_are_told_from_layers() -> None:
    rows = rows_of(Calling(lambda x: (x @ x.transpose(1, 2)) @ torch.zeros(5, 7, device="meta")), (5, 3))
    assert [(row["work"], row["m"], row["n"], row["k"], row["products"]) for row in rows if row["macs"]] == [
        ("product", 5, 5, 3, 1),
        ("linear", 5, 7, 5, 1),
    ]


def test_attention_has_a_product_for_each_head() -> None:
    class Attending(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            q = x.unflatten(2, (3, 8)).transpose(1, 2)
            return nn.functional.scaled_dot_product_attention(q, q[..., :4, :], q[..., :4, :])

    row = row_of(rows_of(Attending(), (10, 24)), "scaled_dot_product_attention")
    assert (row["m"], row["n"], row["k"], row["products"]) == (10, 4, 8, 3)


def test_mixed_precision_moves_half_the_bytes_and_casts_weights_once_a_step() -> None:
    rows = rows_of(nn.Linear(16, 4, bias=False), (16,), precision="amp")
    linear = row_of(rows, "linear")
    casts = [row for row in rows if row["work"] == "cast"]
    assert linear["dtype"] == "float16"
    assert (linear["bytes_in"], linear["bytes_out"], linear["free_bytes"]) == (HALF * 16, HALF * 4, HALF * 64)
    assert sorted((row["bytes_in"], row["free_bytes"]) for row in casts) == [(0, (FULL + HALF) * 64), (FULL * 16, 0)]


def test_a_copy_that_transposes_is_told_from_one_that_does_not() -> None:
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.transpose(1, 2).contiguous(), x[:, :, ::2].contiguous()

    rows = rows_of(Calling(function), (5, 6))
    assert [row["is_transposed"] for row in rows] == [True, False]


def test_bilinear_resampling_goes_through_planes_unless_channels_are_last() -> None:
    model = nn.Upsample(scale_factor=2, mode="bilinear")
    planes = {layout: rows_of(model, (7, 4, 4), layout=layout)[0]["planes"] for layout in ("nchw", "nhwc")}
    assert planes == {"nchw": 7, "nhwc": 0}


class Fusing(nn.Module):
    """Two convolutions; between them a norm, an activation and a sum that a compiler joins."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(4, 4, 1, bias=False) for _ in range(2))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.second(self.norm(y).relu() + x)  # type: ignore[no-any-return]


def test_a_compiler_joins_what_follows_in_one_kernel() -> None:
    rows = rows_of(Fusing(), (4, 5, 5))
    image = FULL * 4 * 5 * 5
    fused = {row["operation"]: row for row in rows if row["fused_work"] and row["work"] not in UNFUSED_WORKS}
    assert list(fused) == ["batch_norm"]
    kernel = fused["batch_norm"]
    assert kernel["fused_bytes_in"] == 2 * image  # what the first convolution made, and the input
    assert kernel["fused_bytes_out"] == image
    assert kernel["fused_free_bytes"] == FULL * 4 * 4  # weight, bias, mean and variance
    assert [row["fused_work"] for row in rows if row["operation"] in ("relu", "add")] == ["", ""]


def test_a_result_that_others_read_is_written_by_its_kernel() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.exp()
        return y @ y.sin()

    rows = rows_of(Calling(function), (6, 6))
    image = FULL * 6 * 6
    assert [(row["operation"], row["fused_bytes_in"], row["fused_bytes_out"]) for row in rows if row["fused_work"]] == [
        ("exp", image, 2 * image),  # the exponential and its sine are both read by the product
        ("matmul", 2 * image, image),
    ]


def test_casts_of_weights_count_as_weights_and_activations_for_one_image() -> None:
    rows = rows_of(nn.Linear(16, 4, bias=False), (16,), precision="amp")
    assert {row["model_weight_bytes"] for row in rows} == {(FULL + HALF) * 64}
    assert {row["model_peak_bytes"] for row in rows} == {HALF * (16 + 4)}  # the cast input and the result


def test_equal_calls_are_one_row_unless_modules_are_kept_apart() -> None:
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    trace = zoo.trace(model, (4,))
    assert [(row["module"], row["calls"]) for row in summarise(trace)] == [("0", 3)]
    apart = summarise(trace, by_module=True)
    assert [(row["module"], row["calls"]) for row in apart] == [("0", 1), ("1", 1), ("2", 1)]


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/edgenext_xx_small", "timm/sequencer2d_s", "torchvision/swin_t"])
def test_rows_sum_to_the_trace(name: str) -> None:
    built = build(name)
    trace = zoo.trace(built.model, built.shape, precision="amp")
    rows = summarise(trace)
    macs = sum(row["calls"] * (row["macs"] * trace.batch + row["free_macs"]) for row in rows)
    nbytes = sum(row["calls"] * ((row["bytes_in"] + row["bytes_out"]) * trace.batch + row["free_bytes"]) for row in rows)
    assert macs == trace.macs
    assert nbytes == sum(tensor.nbytes for call in trace.calls for tensor in (*call.inputs, *call.outputs))
    assert sum(row["calls"] for row in rows) == len(trace.calls)
    assert {row["work"] for row in rows} <= set(WORKS) - {"unknown"}
    fused = sum(row["calls"] * (row["fused_bytes_in"] + row["fused_bytes_out"]) for row in rows)
    assert fused * trace.batch < nbytes


def test_the_caches_table_has_exactly_these_columns() -> None:
    (row, *_) = rows_of(nn.Linear(2, 2), (2,))
    assert {name: type(value) for name, value in row.items()} == dict(COLUMNS)
    dtypes = {str: pa.string(), bool: pa.bool_(), int: pa.int32(), float: pa.float64()}
    schema = TABLES["workloads"]
    kept = {field.name: field.type for field in schema if field.name not in (*TRACE_KEY, "counted_at")}
    assert kept == {name: dtypes[kind] for name, kind in COLUMNS.items()}
