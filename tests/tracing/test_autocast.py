"""Autocast on the meta device, held against torch's own: its lists, its runs on the CPU, and its runs on CUDA without a GPU."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from models_for_tests import Calling, build, build_on_cpu
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo.meta.new_tensors import META
from zoo.operators.op_record import tensors_in
from zoo.operators.operator_kinds import OPERATIONS, Kind, operator_name
from zoo.recording.autocast import Autocast, AutocastState, Policy, cpu_autocast, cuda_autocast, meta_stands_for
from zoo.recording.memo import Memo
from zoo.run_config import Precision
from zoo.tracing.ordered_calls import OrderedCalls
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import PassRunner

SMALL = 32
FEW = "mobilenetv3_small_050 convnext_zepto_rms nf_resnet26 edgenext_xx_small".split()
FAMILIES = """resnet18 regnetx_002 ghostnet_050 densenet121 poolformerv2_s12 rexnet_100 fasternet_t0 starnet_s050 repvit_m0_9 skresnet18 resnest14d dla46x_c hgnetv2_b0
    mobilevitv2_050 ese_vovnet19b_slim_dw lcnetv2_small mambaout_femto tf_efficientnet_cc_b0_4e selecsls42 focalnet_tiny_srf
    inception_next_atto pvt_v2_b0 swiftformer_xs""".split()
ON_GPU = """convnext_zepto_rms botnet26t_256 efficientvit_m0 tf_efficientnet_cc_b0_4e swin_tiny_patch4_window7_224 convit_tiny
    lambda_resnet26t nf_resnet26 gmlp_ti16_224""".split()

Row = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Operation, dtypes of its tensors, dtypes of its results."""


class Log(TorchDispatchMode):
    """Writes down what torch itself does; composites that have no formula are taken apart, as a trace does."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[str, list[Tensor], list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":
            return func(*args, **kwargs)
        name = operator_name(func)
        is_composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
        if OPERATIONS.get(name) is None and is_composite:
            with self:
                return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        ins = list(tensors_in((args, kwargs)))
        before = {t.untyped_storage()._cdata for t in ins}
        out = func(*args, **kwargs)
        outs = list(tensors_in(out))
        operation = OPERATIONS.get(name)
        is_allocation = operation is not None and operation.kind == Kind.ALLOCATE
        is_fresh = any(t.untyped_storage()._cdata not in before for t in outs)
        if (is_fresh or func._schema.is_mutable) and not is_allocation:
            self.calls.append((name, ins, outs))
        return out


def named(tensors: list[Tensor]) -> tuple[str, ...]:
    return tuple(str(t.dtype).removeprefix("torch.") for t in tensors)


def traced_on(autocast: Autocast, model: nn.Module, x: Tensor, memo: Memo, layout: str = "nchw") -> OrderedCalls:
    """A pass under some device's autocast. In inference mode, which torch was observed in, it does not keep casts of weights."""
    run = PassRunner(PassModel(model), Precision.AMP, layout, memo)
    run.autocast, run.state = autocast, AutocastState(enabled=True, dtype=autocast.dtype, keeps_casts=False)
    return run.record(((x,), {}))


def rows_of(recorded: OrderedCalls) -> list[Row]:
    return [(op.operation, tuple(t[3] for t in op.inputs), tuple(t[3] for t in op.outputs)) for _, op, *_ in recorded.calls]


@pytest.fixture(scope="module")
def memo() -> Memo:
    return Memo()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models gain nothing from several, and lose much of it where processors are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _policies_of_header() -> dict[str, Policy]:
    """What ATen/autocast_mode.h says of CUDA's operators, by name and overload."""
    header = Path(torch.__file__).parent / "include/ATen/autocast_mode.h"
    if not header.exists():
        pytest.skip("this build of torch comes without its headers")
    macros = dict(re.findall(r"#define AT_FORALL_(\w+)\(_\)((?:.*\\\n)*.*)", header.read_text()))
    policies = {
        "LOWER_PRECISION_FP": Policy.LOWER,
        "FP32": Policy.FULL,
        "FP32_SET_OPT_DTYPE": Policy.FULL_RESULT,
        "PROMOTE": Policy.WIDEST,
    }
    found = {}
    for macro, policy in policies.items():
        for name, overload in re.findall(r"_\((\w+)(?:, (\w+))?", macros[macro]):
            found[f"aten::{name}.{overload}" if overload else f"aten::{name}"] = policy
    return found


def test_policies_on_cuda_are_those_of_torchs_header() -> None:
    ours, theirs = cuda_autocast().policies, _policies_of_header()
    assert {name: ours.get(name) for name in theirs} == theirs
    listed_apart = {name.partition(".")[0] for name in ours if name.startswith("aten::") and name not in theirs}
    assert listed_apart <= {
        "aten::norm",  # has a policy of its own, FULL_NORM
        *(f"aten::{name}" for name in ("lstm", "gru", "rnn_tanh", "rnn_relu", "_cudnn_rnn")),
        "aten::cudnn_convolution",
        "aten::cudnn_convolution_transpose",
        "aten::binary_cross_entropy",  # refused under autocast
        "aten::linalg_matrix_sqrth",  # newer than the header's lists
    }


def test_torchvisions_operators_convert_there_and_back(memo: Memo) -> None:
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            boxes = torch.zeros(3, 5, device=x.device, dtype=x.dtype)
            aligned: Tensor = torchvision.ops.roi_align(x, boxes, output_size=2)
            return aligned

    half = torch.zeros(1, 4, SMALL, SMALL, dtype=torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        real = Pool()(half)
    rows = rows_of(traced_on(cpu_autocast(), Pool(), half.to(META), memo))
    aligned = next(row for row in rows if row[0] == "torchvision::roi_align")
    assert aligned[1:] == (("float32", "float32"), ("float32",))
    assert rows[-1][2] == named([real]) == ("bfloat16",)


def _check_against_cpu(name: str, memo: Memo) -> None:
    layouts = {"reshape", "contiguous", "flatten", "clone"}  # whether these copy depends on kernels' layouts
    x, model = torch.zeros(2, 3, SMALL, SMALL), build_on_cpu(f"timm/{name}").model
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), Log() as log:
        model(x)
    real = [(operation, named(ins), named(outs)) for operation, ins, outs in log.calls if operation not in layouts]
    emulated = rows_of(traced_on(cpu_autocast(), build(f"timm/{name}").model, x.to(META), memo))
    assert [row for row in emulated if row[0] not in layouts] == real
    assert any("bfloat16" in outs for _, _, outs in real)


@pytest.mark.parametrize("name", FEW)
def test_dtypes_are_those_of_real_autocast_on_the_cpu(name: str, memo: Memo) -> None:
    _check_against_cpu(name, memo)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_dtypes_are_those_of_real_autocast_on_the_cpu_over_more_families(name: str, memo: Memo) -> None:
    _check_against_cpu(name, memo)


def _on_fake_gpu(model: nn.Module, layout: str) -> None:
    """Parameters that torch takes for CUDA's, though there is no GPU."""
    for module in model.modules():
        held: Any
        for held in (module._parameters, module._buffers):
            for name, tensor in list(held.items()):
                if tensor is None:
                    continue
                is_last = layout == "nhwc" and tensor.dim() == 4
                memory_format = torch.channels_last if is_last else torch.contiguous_format
                fake = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda", memory_format=memory_format)
                held[name] = nn.Parameter(fake) if isinstance(tensor, nn.Parameter) else fake


def _check_against_cuda(name: str, layout: str, memo: Memo) -> None:
    built = build(name)
    recorded = traced_on(cuda_autocast(), built.model, torch.empty(2, *built.shape, device=META), memo, layout)
    emulated = [
        (op.operation, [t[3] for t in op.inputs], [(t[1], t[2], t[3]) for t in op.outputs]) for _, op, *_ in recorded.calls
    ]
    with FakeTensorMode(allow_non_fake_inputs=True):
        _on_fake_gpu(built.model, layout)
        x = torch.empty(2, *built.shape, device="cuda")
        x = x.contiguous(memory_format=torch.channels_last) if layout == "nhwc" else x
        torch.set_autocast_enabled("cuda", True)
        try:
            with torch.inference_mode(), Log() as log:
                built.model(x)
        finally:
            torch.set_autocast_enabled("cuda", False)
            torch.clear_autocast_cache()
        real = [
            (operation, list(named(ins)), [(tuple(t.shape), t.stride(), str(t.dtype).removeprefix("torch.")) for t in outs])
            for operation, ins, outs in log.calls
        ]
    made = {"copy", "zeros", "arange"}
    assert [row for row in emulated if row[0] not in made] == [row for row in real if row[0] not in made]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("name", ["timm/resnet18", "timm/mobilenetv3_small_050"])
def test_dtypes_and_strides_are_those_of_real_autocast_on_cuda(name: str, layout: str, memo: Memo) -> None:
    _check_against_cuda(name, layout, memo)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("name", ON_GPU)
def test_dtypes_and_strides_are_those_of_real_autocast_on_cuda_over_more_families(name: str, layout: str, memo: Memo) -> None:
    _check_against_cuda(f"timm/{name}", layout, memo)


def _casts_of(function: Callable[[Tensor], Any], *, dtype: torch.dtype = torch.float32) -> list[tuple[str, str]]:
    """Operations and the dtypes of their results, of a function of a matrix."""
    x = torch.zeros(4, 4, dtype=dtype)
    return [(call.operation, call.outputs[0].dtype) for call in zoo.trace(Calling(function), inputs=(x,), precision="amp").calls]


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (lambda x: x @ x, [("to", "float16"), ("to", "float16"), ("matmul", "float16")]),
        (lambda x: x.half().exp(), [("to", "float16"), ("to", "float32"), ("exp", "float32")]),
        (lambda x: x.half().softmax(-1), [("to", "float16"), ("softmax", "float32")]),
        (lambda x: x.half().sum(-1, dtype=torch.float16), [("to", "float16"), ("sum", "float16")]),
        (lambda x: x.half().norm(), [("to", "float16"), ("linalg_vector_norm", "float32")]),
        (
            lambda x: torch.addcmul(x.half(), x.half(), x),
            [("to", "float16")] * 2 + [("to", "float32")] * 2 + [("addcmul", "float32")],
        ),
        (lambda x: x.half() + x, [("to", "float16"), ("add", "float32")]),
        (lambda x: x.double() @ x.double(), [("to", "float64"), ("to", "float64"), ("matmul", "float64")]),
        (lambda x: torch.einsum("ij,jk->ik", x, x), [("to", "float16"), ("to", "float16"), ("bmm", "float16")]),
        (
            lambda x: F.conv2d(x[None, None], torch.ones(1, 1, 2, 2), padding="same"),
            [
                ("ones", "float32"),
                ("constant_pad_nd", "float32"),
                ("to", "float16"),
                ("to", "float16"),
                ("convolution", "float16"),
            ],
        ),
    ],
    ids=["lower", "full", "result", "given dtype", "norm", "widest", "unlisted", "double", "einsum", "composite"],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_each_policy_casts_what_it_says(function: Callable[[Tensor], Any], calls: list[tuple[str, str]]) -> None:
    assert _casts_of(function) == calls


def test_a_recurrent_layer_is_cast_as_cudnn_is() -> None:
    trace = zoo.trace(nn.LSTM(4, 5, batch_first=True), (3, 4), precision="amp")
    (lstm,) = [call for call in trace.calls if call.operation == "lstm"]
    assert {tensor.dtype for tensor in (*lstm.inputs, *lstm.outputs)} == {"float16"}


class Twice(nn.Module):
    """A layer that is used two times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(self.layer(x))
        return result


@pytest.mark.parametrize(("mode", "keeps"), [(torch.no_grad, True), (torch.inference_mode, False)])
def test_weights_are_cast_once_a_pass_as_torch_does_without_gradients(
    mode: Callable[[], AbstractContextManager[Any]], keeps: bool
) -> None:
    model, x = Twice(), torch.zeros(2, 4)
    with mode(), torch.autocast("cpu"), Log() as log:
        model(x)
    real = sum(operation in {"to", "_to_copy"} for operation, *_ in log.calls)
    run = PassRunner(PassModel(model), Precision.AMP, "nchw", Memo())
    run.autocast = cpu_autocast()
    run.state = AutocastState(enabled=True, dtype=run.autocast.dtype, keeps_casts=keeps)
    emulated = [operation for operation, *_ in rows_of(run.record(((x,), {})))].count("to")
    assert emulated == real == (3 if keeps else 5)


class Asking(nn.Module):
    """Looks at the state of autocast, and leaves it for a part of its work."""

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        assert torch.is_autocast_enabled(kind)
        x = x.to(torch.get_autocast_dtype(kind))
        with torch.autocast(device_type=kind, enabled=False):
            assert not torch.is_autocast_enabled(kind)
            x = x.exp()
            with torch.autocast(device_type="cuda", dtype=torch.float16):
                x = x @ x.float()
            x = x.exp()
        return x.exp()


def test_a_model_can_ask_for_autocast_and_leave_it() -> None:
    trace = zoo.trace(Asking(), (4, 4), precision="amp")
    assert [(call.operation, call.outputs[0].dtype) for call in trace.calls] == [
        ("to", "float16"), ("exp", "float16"), ("to", "float32"), ("to", "float16"), ("matmul", "float16"), ("exp", "float16"),
        ("to", "float32"), ("exp", "float32"),
    ]  # fmt: skip


@pytest.fixture
def untouched() -> Iterator[None]:
    names = ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_enabled", "set_autocast_dtype")
    before = [getattr(torch, name) for name in names], torch.autocast.__init__
    yield
    assert ([getattr(torch, name) for name in names], torch.autocast.__init__) == before


@pytest.mark.usefixtures("untouched")
def test_torch_is_as_before_and_other_devices_are_their_own() -> None:
    state = AutocastState(enabled=True, dtype=torch.float16)
    with meta_stands_for("cuda", state):
        assert torch.is_autocast_enabled("meta")
        assert not torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu"):
            assert torch.is_autocast_enabled("cpu")
        torch.set_autocast_dtype("meta", torch.bfloat16)
        assert torch.get_autocast_dtype("cuda") == state.dtype == torch.bfloat16


@pytest.mark.usefixtures("untouched")
def test_torch_is_as_before_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        zoo.trace(Calling(lambda x: x / (1 // 0)), (4,), precision="amp")
