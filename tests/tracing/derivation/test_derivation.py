"""Passes derived from the graph of another one, held against passes that were run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from models_for_tests import NAMES, Calling, build
from torch import Tensor, nn

from zoo.adapters.registry import open_zoo
from zoo.api.workloads import RecordedWorkload, WorkloadRecorder
from zoo.counting.count_model import meta_input
from zoo.estimation.workloads.workload import summarise
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import CostKey
from zoo.run_config import LAYOUTS, Precision
from zoo.traces import TRACE_BATCH
from zoo.tracing.derivation.call_types import TypeTable
from zoo.tracing.derivation.casts import NotDerivableError
from zoo.tracing.derivation.pass_family import DERIVABLE, Known, PassFamily
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import Arguments, trace_model

FEW = "timm/vit_tiny_patch16_224 timm/resnet18 timm/convnext_zepto_rms timm/swiftformer_xs torchvision/swin_t".split()
MODES = [(precision, layout) for precision in DERIVABLE for layout in LAYOUTS]
IMAGE = (8, 6, 6)


class Shared:
    """What passes share in a worker."""

    def __init__(self) -> None:
        self.recorder, self.run_memo = WorkloadRecorder(), Memo()


@pytest.fixture(scope="module")
def shared() -> Shared:
    return Shared()


def compare(model: nn.Module, shape: tuple[int, ...], shared: Shared) -> list[str]:
    """Holds each derived workload against that of a pass; gives the modes that are not derived."""
    refused = []
    recorded = shared.recorder.record(PassModel(model), lambda batch: ((meta_input(shape, batch=batch),), {}), MODES)
    for (precision, layout), found in recorded.items():
        assert isinstance(found, RecordedWorkload), found
        run = summarise(trace_model(model, shape, precision=precision, layout=layout, memo=shared.run_memo))
        assert found.workload.rows() == run, f"{precision}/{layout}"
        refused += [] if found.is_derived else [f"{precision}/{layout}"]
    return refused


@pytest.mark.parametrize("name", FEW)
def test_derived_traces_are_those_of_a_pass(name: str, shared: Shared) -> None:
    built = build(name)
    refused = compare(built.model, built.shape, shared)
    assert not [mode for mode in refused if not mode.startswith("amp")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in FEW])
def test_derived_traces_are_those_of_a_pass_in_every_family(name: str, shared: Shared) -> None:
    built = build(name)
    refused = compare(built.model, built.shape, shared)
    assert not [mode for mode in refused if not mode.startswith("amp")]


def own_dtype(x: Tensor) -> Tensor:
    return x.float().softmax(1).to(x.dtype) * x


def constant_dtype(x: Tensor) -> Tensor:
    return x.float().softmax(1) * x


def with_copies(x: Tensor) -> Tensor:
    """The copy is made in one layout and not in the other, and its source is used again."""
    y = x.contiguous()
    return (y + x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1]) @ x.flatten(2)


def in_place(x: Tensor) -> Tensor:
    y = x * 2
    y.add_(x.mean((2, 3), keepdim=True)).unsqueeze_(1)
    return y.squeeze(1)


def expanded_constant(x: Tensor) -> Tensor:
    """A table that is the same for each image, with a copy for each."""
    table = torch.arange(6.0, device=x.device).to(x.dtype).expand(x.shape[0], 8, 6, 6).clone()
    return table + x


def attention(x: Tensor) -> Tensor:
    """Its kernel, and so its layout, depends on the dtype."""
    q = x.flatten(2).transpose(1, 2).reshape(x.shape[0], 36, 2, 4).transpose(1, 2)
    return nn.functional.scaled_dot_product_attention(q, q, q).transpose(1, 2).reshape(x.shape[0], 36, 8)


def asking_autocast(x: Tensor) -> Tensor:
    return x.float() if torch.is_autocast_enabled("cuda") else x * 2


def switching_autocast(x: Tensor) -> Tensor:
    with torch.autocast("cuda", enabled=False):
        return x @ x.transpose(2, 3)


def asking_contiguity(x: Tensor) -> Tensor:
    return x * 2 if x.is_contiguous() else x + 1


def einsum(x: Tensor) -> Tensor:
    return torch.einsum("bchw,bchv->bcwv", x, x)


def same_padding(x: Tensor) -> Tensor:
    return nn.functional.conv2d(x, x.new_ones(4, 8, 3, 3), padding="same")


def indices_by_values(x: Tensor) -> Tensor:
    """Two masks of one shape, with values that decide how many channels are taken."""
    half, whole = torch.tensor([True, False] * 4), torch.ones(8, dtype=torch.bool)
    return x[:, torch.where(half)[0]].repeat(1, 2, 1, 1) + x[:, torch.where(whole)[0]]


def mask_with_values(x: Tensor) -> Tensor:
    return x[:, torch.tensor([True, False] * 4)]


def constant_of_own_dtype(x: Tensor) -> Tensor:
    return x * torch.tensor([1.0] * 8, dtype=x.dtype)[:, None, None]


def short_lived_constants(x: Tensor) -> Tensor:
    """Each is freed before the next is made, possibly at the same address."""
    for _ in range(3):
        x = x + torch.ones(8)[:, None, None]
    return x


@pytest.mark.parametrize(
    ("function", "refused"),
    [
        (own_dtype, []),
        (constant_dtype, []),
        (with_copies, []),
        (in_place, []),
        (expanded_constant, []),
        (attention, []),
        (asking_autocast, []),
        (switching_autocast, []),
        (asking_contiguity, ["fp32/nhwc", "fp16/nhwc", "amp/nhwc"]),
        (einsum, []),
        (same_padding, []),
        (indices_by_values, []),
        (mask_with_values, ["fp32/nchw", "fp32/nhwc", "fp16/nhwc", "amp/nchw", "amp/nhwc"]),
        (constant_of_own_dtype, []),
        (short_lived_constants, []),
    ],
)
def test_what_is_not_certain_is_run_and_all_is_exact(
    function: Callable[[Tensor], Tensor], refused: list[str], shared: Shared
) -> None:
    assert compare(nn.Sequential(nn.Conv2d(8, 8, 1), Calling(function)), IMAGE, shared) == refused


DETECTORS = [
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "ssdlite320_mobilenet_v3_large",
    pytest.param("fcos_resnet50_fpn", marks=pytest.mark.slow),
    pytest.param("retinanet_resnet50_fpn_v2", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("arch", DETECTORS)
def test_derived_workloads_of_detectors_are_those_of_a_pass(arch: str) -> None:
    """Their inputs are lists of images, and their own code indexes by tensors with values."""
    zoo = open_zoo("torchvision")
    architecture = next(a for a in zoo.architectures() if a.name == arch)
    key = CostKey("torchvision", arch, architecture.input, None)
    model = PassModel(build_on_meta(lambda: zoo.build(arch, zoo.build_options(key)), zoo.initialisers()))

    def arguments(batch: int) -> Arguments:
        example = zoo.example(model.module, key._replace(batch=batch))
        return example.args, example.kwargs

    with zoo.example(model.module, key).context():
        recorded = WorkloadRecorder().record(model, arguments, MODES)
        for mode, found in recorded.items():
            assert isinstance(found, RecordedWorkload), found
            assert found.is_derived
            run = WorkloadRecorder()._run(model, arguments(TRACE_BATCH), mode)
            assert found.workload.rows() == run.workload.rows(), mode


def test_fast_norms_are_run() -> None:
    family = PassFamily(PassModel(nn.Conv2d(8, 8, 1)), ((meta_input(IMAGE, batch=7),), {}), 7, Known.nothing())
    with pytest.raises(NotDerivableError, match="are run"):
        family.derive(Precision.AMP_FAST_NORM, "nchw")


def test_tensors_are_as_before_after_a_pass() -> None:
    before = torch.Tensor.contiguous, torch.Tensor.is_contiguous
    PassFamily(PassModel(nn.Conv2d(8, 8, 1)), ((meta_input(IMAGE, batch=7),), {}), 7, Known.nothing())
    assert (torch.Tensor.contiguous, torch.Tensor.is_contiguous) == before


CAST_SHAPES = [
    ((4, 3), (3, 1)),
    ((4, 3), (1, 4)),
    ((2, 3, 4, 5), (60, 1, 15, 3)),
    ((4, 3), (6, 2)),
    ((4, 3), (0, 1)),
    ((4, 1), (1, 9)),
    ((), ()),
]


@pytest.mark.parametrize(("shape", "strides"), CAST_SHAPES)
@pytest.mark.parametrize(
    ("source", "target"), [(torch.float32, torch.float16), (torch.float16, torch.float32), (torch.int64, torch.float16)]
)
def test_casts_that_are_not_run_give_what_running_gives(
    shape: tuple[int, ...], strides: tuple[int, ...], source: torch.dtype, target: torch.dtype
) -> None:
    table = TypeTable()
    template = table.cast(target)
    table.outcome(template, (table.number(((7,), (1,), source, True)),))  # which the others are taken to be like
    types = (table.number((shape, strides, source, True)),)
    found, run = table.outcome(template, types), table._run(template, types)
    assert (found.types, found.sources, found.nbytes, found.pattern) == (run.types, run.sources, run.nbytes, run.pattern)
    assert found.call == run.call
