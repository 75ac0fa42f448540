"""Traces: what is recorded of each call, that it is right, and that tables keep it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import NAMES, Calling, build, count, on_meta
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

import zoo
from zoo.errors import InputError, UnknownNameError
from zoo.recording.memo import Memo
from zoo.traces import BYTES_OF, Trace, TracedCall
from zoo.tracing.trace import trace_model

MODES = [("fp32", "nchw"), ("amp-fast-norm", "nchw"), ("amp-fast-norm", "nhwc")]
FEW = ["timm/mobilenetv3_small_050", "timm/convit_tiny", "timm/swinv2_tiny_window8_256", "torchvision/googlenet"]
WORKS_OVER_THE_BATCH = {
    "timm/csatv2"
}  # its attention has the images of a batch for tokens: twice the images is four times its work


class Net(nn.Module):
    """One of each thing that a trace tells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, (3, 1), padding=(1, 0), groups=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 6)
        self.table = nn.Parameter(torch.zeros(1, 5, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu_()
        x = nn.functional.max_pool2d(x, 2)
        x = x.flatten(2).transpose(1, 2)  # a view that the linear layer copies in its kernel
        x = self.head(x)[:, :5] + self.table.exp()
        return x.transpose(1, 2).reshape(x.shape[0], -1)  # a real copy


SHAPE = (4, 6, 4)  # 6 positions after pooling


@pytest.fixture(scope="module")
def trace() -> Trace:
    return zoo.trace(Net(), SHAPE)


def call_of(trace: Trace, operation: str) -> TracedCall:
    """The only call of an operation."""
    (call,) = [call for call in trace.calls if call.operation == operation]
    return call


def test_calls_are_in_order_with_their_modules_and_views_are_none(trace: Trace) -> None:
    assert [(call.module, call.operation, call.kind) for call in trace.calls] == [
        ("conv", "conv2d", "conv"),
        ("norm", "batch_norm", "norm"),
        ("", "relu", "elementwise"),
        ("", "max_pool2d", "pool"),
        ("head", "linear", "linear"),
        ("", "exp", "elementwise"),
        ("", "add", "elementwise"),
        ("", "reshape", "copy"),
    ]


def test_a_call_has_its_tensors_and_settings(trace: Trace) -> None:
    conv = call_of(trace, "conv2d")
    assert [(t.argument, t.shape, t.strides, t.dtype, t.role) for t in conv.inputs] == [
        ("input", (2, 4, 6, 4), (4 * 6 * 4, 6 * 4, 4, 1), "float32", "input"),
        ("weight", (8, 2, 3, 1), (2 * 3, 3, 1, 1), "float32", "weight"),
    ]
    assert [(t.shape, t.role) for t in conv.outputs] == [((2, 8, 6, 4), "activation")]
    assert (conv.groups, conv.kernel, conv.has_bias, conv.in_place) == (2, (3, 1), False, False)
    assert "padding=[1, 0]" in conv.arguments
    assert conv.macs == 2 * 8 * 6 * 4 * 2 * 3
    assert call_of(trace, "max_pool2d").kernel == (2, 2)
    linear = call_of(trace, "linear")
    assert linear.has_bias
    assert linear.inputs[0].strides == (8 * 6, 1, 6)


def test_storages_tell_who_feeds_whom(trace: Trace) -> None:
    conv, norm, relu, pool, linear = trace.calls[:5]
    assert norm.inputs[0].storage == conv.outputs[0].storage
    assert relu.in_place
    assert relu.inputs[0].storage == relu.outputs[0].storage == norm.outputs[0].storage == pool.inputs[0].storage
    assert linear.inputs[0].storage == pool.outputs[0].storage  # through two views
    assert call_of(trace, "add").inputs[0].storage == linear.outputs[0].storage


def test_storages_tell_how_long_memory_lives(trace: Trace) -> None:
    positions = {call.operation: i for i, call in enumerate(trace.calls)}
    conv = trace.storages[call_of(trace, "conv2d").outputs[0].storage]
    assert (conv.alloc_at, conv.free_at) == (positions["conv2d"], positions["relu"])
    last = trace.storages[call_of(trace, "reshape").outputs[0].storage]
    assert (last.alloc_at, last.free_at) == (positions["reshape"], None)
    assert all((s.alloc_at, s.free_at) == (-1, None) for s in trace.storages if s.role == "weight")


def test_work_on_weights_alone_is_told_apart(trace: Trace) -> None:
    exp = call_of(trace, "exp")
    assert exp.is_batch_free
    assert exp.outputs[0].role == "constant"
    assert [t.role for t in call_of(trace, "add").inputs] == ["activation", "constant"]


@pytest.mark.parametrize(
    ("function", "role"),
    [
        (lambda x, w: w.exp(), "constant"),
        (lambda x, w: w.expand(len(x), 4, 4).exp(), "repeated"),
        (lambda x, w: torch.zeros(x.shape[0], 2), "repeated"),
        (lambda x, w: torch.zeros(2, 2), "constant"),
        (lambda x, w: w.expand(len(x), 4, 4).exp().sum(0), "constant"),
        (lambda x, w: torch.zeros(2, 2).add_(x.sum()), "activation"),
    ],
)
def test_a_constant_with_a_copy_for_each_image_is_a_repeated_one(function: Callable[..., Tensor], role: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return function(x, self.weight)

    assert zoo.trace(Model(), (3,)).calls[-1].outputs[0].role == role


def test_what_is_overwritten_or_only_shaped_like_is_not_read() -> None:
    trace = zoo.trace(Calling(lambda x: torch.zeros_like(x).copy_(x) + torch.empty_like(x).fill_(1)), (3,))
    reads = {call.operation: [t.argument for t in call.inputs] for call in trace.calls}
    assert reads == {"zeros_like": [], "copy": ["src"], "fill": [], "add": ["self", "other"]}


def test_masks_are_seen_and_a_causal_one_is_an_argument() -> None:
    x, mask = on_meta(2, 4, 5, 8), on_meta(5, 5)
    masked, causal = (
        zoo.trace(Calling(function), inputs=(x,)).calls[0]
        for function in (
            lambda x: scaled_dot_product_attention(x, x, x, attn_mask=mask),
            lambda x: scaled_dot_product_attention(x, x, x, is_causal=True),
        )
    )
    assert masked.has_mask
    assert masked.macs == causal.macs == 2 * 4 * 5 * 5 * (8 + 8)
    assert not causal.has_mask
    assert "is_causal=True" in causal.arguments


@pytest.mark.parametrize("is_sliced", [True, False], ids=["of one projection", "contiguous"])
@pytest.mark.parametrize("kernel", ["flash", "efficient"])
def test_attention_has_the_layout_of_the_gpus_kernel(kernel: str, is_sliced: bool) -> None:
    """As torch's own meta kernels of the two give it."""
    dtype = torch.float16 if kernel == "flash" else torch.float32
    q, k, v = on_meta(2, 5, 3, 4, 8, dtype=dtype).permute(2, 0, 3, 1, 4) if is_sliced else on_meta(3, 2, 4, 5, 8, dtype=dtype)
    if kernel == "flash":
        expected = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[0]
    else:
        expected = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, compute_log_sumexp=False)[0]
    (call,) = zoo.trace(Calling(scaled_dot_product_attention), inputs=(q, k, v)).calls
    assert call.outputs[0].shape == expected.shape
    assert call.outputs[0].strides == expected.stride()


def test_channels_last_goes_through_convolutions_and_norms() -> None:
    trace = zoo.trace(Net(), SHAPE, layout="nhwc")
    channels_last = (8 * 6 * 4, 1, 8 * 4, 8)
    for operation in ("conv2d", "batch_norm", "relu"):
        assert call_of(trace, operation).outputs[0].strides == channels_last
    weight = call_of(trace, "conv2d").inputs[1]
    assert weight.strides == (2 * 3, 1, 2, 2)


def test_a_model_converted_as_a_whole_has_one_dtype() -> None:
    for precision, dtype in (("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")):
        calls = zoo.trace(Net(), SHAPE, precision=precision).calls
        assert {t.dtype for call in calls for t in (*call.inputs, *call.outputs)} == {dtype}


def test_fast_norms_stay_in_half_precision() -> None:
    built = build("timm/vit_tiny_patch16_224")
    dtypes = {}
    for precision in ("amp", "amp-fast-norm"):
        norms = [c for c in zoo.trace(built.model, built.shape, precision=precision).calls if c.operation == "layer_norm"]
        dtypes[precision] = {norm.outputs[0].dtype for norm in norms}
    assert dtypes == {"amp": {"float32"}, "amp-fast-norm": {"float16"}}
    assert not any(getattr(module, "_fast_norm", False) for module in built.model.modules())


def test_the_users_model_is_left_as_it_was() -> None:
    model = Net().train()
    before = {name: (id(t), t.stride()) for name, t in model.state_dict(keep_vars=True).items()}
    zoo.trace(model, SHAPE, precision="fp16", layout="nhwc")
    assert {name: (id(t), t.stride()) for name, t in model.state_dict(keep_vars=True).items()} == before
    assert all(module.training for module in model.modules())


def test_inputs_of_a_users_own() -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor, pair: tuple[Tensor, Tensor], *, scale: Tensor) -> Tensor:
            return (x + pair[0]) * pair[1] * scale

    x = torch.zeros(3, 4)
    trace = zoo.trace(Model(), inputs=(x, (x, x)), kwargs={"scale": torch.zeros(4)})
    assert trace.batch == 3
    assert {t.role for call in trace.calls for t in call.inputs} == {"input", "activation"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "amp-fast"}, "There is no precision 'amp-fast'. Did you mean amp-fast-norm"),
        ({"layout": "chwn"}, "There is no layout 'chwn'. Did you mean"),
    ],
)
def test_an_unknown_mode_names_the_known_ones(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnknownNameError, match=sentence):
        zoo.trace(Net(), SHAPE, **options)


def test_a_shape_or_inputs_must_be_given() -> None:
    with pytest.raises(InputError, match="Give either a shape"):
        zoo.trace(Net())


def test_a_frame_has_a_row_for_each_call(trace: Trace) -> None:
    frame = trace.to_frame()
    conv = frame[frame["operation"] == "conv2d"].iloc[0]
    assert len(frame) == len(trace.calls)
    assert conv["shapes"] == "2x4x6x4, 8x2x3x1 -> 2x8x6x4"
    assert conv["bytes_in"] == 4 * (2 * 4 * 6 * 4 + 8 * 2 * 3)
    assert (conv["bytes_weights"], conv["bytes_out"]) == (4 * 8 * 2 * 3, 4 * 2 * 8 * 6 * 4)
    assert frame["macs"].sum() == trace.macs


def test_the_size_of_every_dtype_is_known() -> None:
    for dtype in {value for value in vars(torch).values() if isinstance(value, torch.dtype)}:
        name = str(dtype).removeprefix("torch.")
        if name in BYTES_OF:
            assert BYTES_OF[name] == dtype.itemsize


def test_traces_are_read_without_torch() -> None:
    code = "import sys; from zoo import Trace; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def memos() -> dict[tuple[str, str], Memo]:
    return {mode: Memo() for mode in MODES}


@pytest.fixture(scope="module")
def counted() -> Memo:
    return Memo()


def _check_against_count(name: str, memos: dict[tuple[str, str], Memo], counted: Memo) -> None:
    built = build(name)
    one, two = count(built, counted), count(built, counted, batch=2)
    for precision, layout in MODES:
        trace = trace_model(built.model, built.shape, precision=precision, layout=layout, memo=memos[precision, layout])
        assert trace.macs == two.macs
        if name not in WORKS_OVER_THE_BATCH:
            assert trace.macs == 2 * one.macs - trace.batch_free_macs
        assert not trace.uncounted
        if precision == "fp32":
            assert trace.peak_activation_bytes == two.peak_activation_bytes


@pytest.mark.parametrize("name", FEW)
def test_macs_and_memory_are_those_of_a_count(name: str, memos: dict[tuple[str, str], Memo], counted: Memo) -> None:
    _check_against_count(name, memos, counted)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES[::2] if name not in FEW] + sorted(WORKS_OVER_THE_BATCH))
def test_macs_and_memory_are_those_of_a_count_over_all_families(
    name: str, memos: dict[tuple[str, str], Memo], counted: Memo
) -> None:
    _check_against_count(name, memos, counted)


def test_a_shared_memo_changes_nothing(memos: dict[tuple[str, str], Memo]) -> None:
    built = build("timm/edgenext_xx_small")
    for precision, layout in MODES:
        shared = [
            trace_model(built.model, built.shape, precision=precision, layout=layout, memo=memos[precision, layout])
            for _ in range(2)
        ]
        alone = trace_model(built.model, built.shape, precision=precision, layout=layout)
        assert shared == [alone, alone]
