"""Live bytes: by derivation on small functions, and against what torch's profiler sees the CPU allocate on real architectures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from models_for_tests import NAMES, Built, Calling, build, build_on_cpu, count, count_call, on_meta, size_of
from profiled_boundaries import Boundaries
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.profiler import ProfilerActivity, profile

from zoo.counting.count_model import count_model
from zoo.counting.totals import LiveBytes
from zoo.recording.memo import Memo

TOLERANCE = 64
"""Bytes: a Python number becomes a tensor of 4 or 8 bytes on the CPU."""


def storage(nbytes: int) -> torch.UntypedStorage:
    return torch.UntypedStorage(nbytes, device="meta")


def test_live_bytes_rise_with_each_storage_and_fall_when_it_dies() -> None:
    memory = LiveBytes()
    first = storage(100)
    memory.add(first, 100, "one")
    second = storage(50)
    memory.add(second, 50, "two")
    assert (memory.live, memory.peak, memory.peak_owner) == (150, 150, "two")
    del first
    assert (memory.live, memory.peak) == (50, 150)
    third = storage(20)
    memory.add(third, 20, "three")
    assert (memory.live, memory.peak, memory.peak_owner) == (70, 150, "two")
    del second, third
    assert memory.live == 0


def test_a_storage_is_counted_once_however_often_it_is_returned() -> None:
    memory, kept = LiveBytes(), storage(100)
    memory.add(kept, 100, "one")
    memory.add(kept, 100, "two")
    assert (memory.live, memory.peak_owner) == (100, "one")


def test_a_storage_lives_as_long_as_any_tensor_on_it() -> None:
    memory, tensor = LiveBytes(), on_meta(10)
    memory.add(tensor.untyped_storage(), size_of(10), None)
    view = tensor[1:3]
    del tensor
    assert memory.live == size_of(10)
    del view
    assert memory.live == 0


def test_an_address_that_is_used_again_is_a_new_storage() -> None:
    memory = LiveBytes()
    for _ in range(100):
        memory.add(storage(8), 8, None)
        assert memory.live == 0
    assert memory.peak == 8


def test_what_is_forgotten_may_die_unnoticed() -> None:
    memory, kept = LiveBytes(), storage(100)
    memory.add(kept, 100, None)
    memory.stop()
    del kept
    assert memory.peak == 100


def keep_everything(x: Tensor) -> Tensor:
    first = x + 1
    second = first + 1
    return second + first


def overwrite(x: Tensor) -> Tensor:
    for _ in range(5):
        x = x + 1
    return x


def return_list(x: Tensor) -> list[Tensor]:
    return [x + 1, x + 2, x + 3]


ONE = size_of(4, 8)


@pytest.mark.parametrize(
    ("function", "peak"),
    [
        (torch.exp, ONE),
        (keep_everything, 3 * ONE),
        (overwrite, 2 * ONE),  # the next exists before the name leaves the last
        (return_list, 3 * ONE),
        (lambda x: x.add_(1).relu_(), 0),
        (lambda x: (x + 1).relu_().mul_(2), ONE),
        (lambda x: x.view(-1)[3:].unsqueeze(0), 0),
        (lambda x: (x + 1)[:1], ONE),
        (lambda x: (x + 1).mT.reshape(-1), 2 * ONE),
        (lambda x: x.mT.contiguous().contiguous(), ONE),
        (lambda x: x.expand(3, 4, 8), 0),
        (lambda x: x.expand(3, 4, 8) + 1, 3 * ONE),
        (lambda x: x > 0, 4 * 8),
        (lambda x: x.half(), ONE // 2),
        (lambda x: x.double(), ONE * 2),
        (lambda x: x.max(1), size_of(4) + size_of(4, dtype=torch.int64)),
        (lambda x: torch.cat([x, x]) + 1, 4 * ONE),
        (lambda x: F.linear(x, on_meta(2, 8)), size_of(2, 8) + size_of(4, 2)),  # the weight is made in the call
        (lambda x: F.dropout(x, training=False), 0),
        (lambda x: [None for _ in range(3) if (x + 1) is None], ONE),
    ],
)
@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
def test_the_peak_is_what_is_alive_at_once(function: Callable[[Tensor], Any], peak: int, memo: Memo | None) -> None:
    for _ in range(2):
        assert count_call(function, on_meta(4, 8), memo=memo).peak_activation_bytes == peak


FIRST = """
import torch
from torch import nn
from zoo.counting.count_model import count_model, meta_input

class Doubling(nn.Module):
    def forward(self, x):
        for _ in range(3):
            x = self.double(x)
        return x

    def double(self, x):
        y = x + x
        return torch.cat([y, y], 1)[:, :3]

print(count_model(Doubling(), [meta_input((3, 4))]).peak_activation_bytes)
"""


def test_the_first_count_of_a_process_keeps_nothing_alive() -> None:
    """A kernel written in Python, here of an addition in an odd layout, must not leave frames behind that hold activations."""
    printed = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True).stdout
    assert int(printed) == size_of(6, 4) + size_of(3, 4) + size_of(6, 4)


def test_the_peak_is_found_in_the_module_where_it_occurs() -> None:
    model = nn.Sequential(nn.Linear(8, 2), nn.Linear(2, 64), nn.Linear(64, 4)).to("meta").eval()
    cost = count_model(model, [on_meta(3, 8)])
    assert cost.peak_module == "2"
    assert cost.peak_activation_bytes == size_of(3, 64) + size_of(3, 4)


def test_weights_and_inputs_are_no_activations() -> None:
    model = nn.Linear(1000, 1, device="meta").eval()
    cost = count_model(model, [on_meta(1, 1000)])
    assert cost.peak_activation_bytes == size_of(1, 1)
    assert cost.weight_bytes == size_of(1000, 1) + size_of(1)


def test_an_output_kept_from_one_count_is_not_alive_in_the_next() -> None:
    kept: list[Tensor] = []
    memo = Memo()
    for _ in range(3):
        assert count_call(lambda x: kept.append(x + 1), on_meta(4, 8), memo=memo).peak_activation_bytes == ONE


def peak_on_cpu(built: Built, batch: int) -> int:
    """Most bytes the CPU's allocator has given out at the end of any operation: scratch inside kernels is back by then."""
    x = torch.zeros(batch, *built.shape)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded, Boundaries():
        built.model(x)
    live = peak = 0
    for event in sorted(recorded.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
        elif event.name() == Boundaries.NAME:
            peak = max(peak, live)
    return peak


@pytest.fixture(scope="module")
def quick_arithmetic() -> Iterator[None]:
    """Weights without numbers may be subnormal, and arithmetic with these is slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


def attend(x: Tensor, **settings: Any) -> Tensor:
    """A transformer's attention: whether its last step copies depends on the layout of the fused result."""
    batch, tokens, width = x.shape
    q = x.view(batch, tokens, 4, -1).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q, q, **settings).transpose(1, 2).reshape(batch, tokens, width)


def attend_sharing_heads(x: Tensor) -> Tensor:
    batch, tokens, width = x.shape
    q = x.view(batch, tokens, 4, -1).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q[:, ::2], q[:, ::2], enable_gqa=True).transpose(1, 2).reshape(batch, tokens, width)


def attend_in_groups(x: Tensor) -> Tensor:
    q = x.view(*x.shape[:2], 2, 4, -1).transpose(1, 3)
    return F.scaled_dot_product_attention(q, q, q).transpose(1, 3).flatten(1)


LAYOUTS: dict[str, Callable[[Tensor], Any]] = {
    "attention": attend,
    "masked attention": lambda x: attend(x, attn_mask=x.new_zeros(x.shape[1], x.shape[1])),
    "attention with shared heads": attend_sharing_heads,
    "attention of five dimensions": attend_in_groups,
    "attention by hand": lambda x: ((x @ x.mT).softmax(-1) @ x).mT.reshape(len(x), -1),
    "convolution of a transposed input": lambda x: F.conv1d(x.mT, x.new_zeros(4, x.shape[2], 1)).mT.reshape(-1),
    "channels last": lambda x: F.conv2d(x.view(-1, 8, 8, 4).permute(0, 3, 1, 2), x.new_zeros(8, 4, 3, 3)).flatten(1),
    "normalised channels last": lambda x: F.layer_norm(x.mT.contiguous().mT, x.shape[2:]).mT.reshape(-1),
    "elementwise on a slice": lambda x: F.gelu(x[:, ::2]).sigmoid().view(-1),
    "elementwise on a transposed input": lambda x: F.silu(x.mT).mT.reshape(-1),
    "pooling": lambda x: F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 1).flatten(),
    "resampling": lambda x: F.interpolate(x[None], scale_factor=2, mode="bicubic", align_corners=False).flatten(),
    "einsum": lambda x: torch.einsum("bnc,bmc->bmn", x, x).mT.reshape(-1),
    "several at once": lambda x: torch.cat([part.relu() for part in x.chunk(4, 1)], 2).topk(2)[0],
}


@pytest.mark.usefixtures("quick_arithmetic")
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_peak_where_a_layout_decides_about_copies_is_the_cpus(name: str) -> None:
    model, shape = Calling(LAYOUTS[name]).eval(), (16, 32)
    measured = peak_on_cpu(Built(model, shape), batch=2)
    assert count(Built(model, shape), batch=2).peak_activation_bytes == pytest.approx(measured, abs=TOLERANCE, rel=0)


HEAVY = {  # seconds to minutes on the CPU
    *(f"timm/{name}" for name in "deepseek_vit_412m gemma4_vit_167m qwen3_vit_88m nasnetalarge pnasnet5large".split()),
    *(f"timm/{name}" for name in "naflexvit_base_patch16_gap mobilenetv5_base inception_resnet_v2 inception_v4 vgg11".split()),
    *(f"timm/{name}" for name in "samvit_base_patch16_224 vit_base_patch16_siglip_224 legacy_xception xception41p".split()),
}
QUICK = [name for name in NAMES if name not in HEAVY]
BATCHED = """timm/vit_tiny_patch16_224 timm/convnext_zepto_rms timm/nf_regnet_b0 timm/mobilenetv3_small_050 timm/xcit_nano_12_p8_224
    timm/levit_128s timm/efficientvit_m0 timm/ghostnet_050 timm/starnet_s050 timm/edgenext_xx_small timm/dla46x_c timm/pit_ti_224
    timm/tf_efficientnet_cc_b0_4e timm/mobilevit_xxs timm/efficientformerv2_s0 timm/gmlp_ti16_224 timm/crossvit_tiny_240
    timm/swin_tiny_patch4_window7_224 torchvision/shufflenet_v2_x0_5 torchvision/squeezenet1_0""".split()


@pytest.mark.usefixtures("quick_arithmetic")
@pytest.mark.parametrize(
    "name", [*QUICK[::2], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name not in QUICK[::2])]
)
def test_the_peak_is_the_cpus_at_the_boundaries_of_operations(name: str) -> None:
    measured = peak_on_cpu(build_on_cpu(name), batch=1)
    assert count(build(name)).peak_activation_bytes == pytest.approx(measured, abs=TOLERANCE, rel=0)


@pytest.mark.usefixtures("quick_arithmetic")
@pytest.mark.parametrize("name", BATCHED)
def test_the_peak_of_a_batch_is_the_cpus_too(name: str) -> None:
    measured = peak_on_cpu(build_on_cpu(name), batch=8)
    assert count(build(name), batch=8).peak_activation_bytes == pytest.approx(measured, abs=TOLERANCE, rel=0)
