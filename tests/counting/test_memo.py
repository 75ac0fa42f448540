"""What is remembered of earlier passes changes no figure, and a count leaves nothing behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models_for_tests import count_call, on_meta, without_time
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

from zoo.counting.count_model import count_model
from zoo.meta.module_stack import followable
from zoo.recording.memo import Memo

SHARED = Memo()
"""One for all tests here, so that each call meets what all others have left in it."""


def window(x: Tensor) -> Tensor:
    """Swin's shifted windows: views, copies and a roll."""
    return x.roll((1, 1), (1, 2)).view(2, 2, 2, 2, 2, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 4)


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 1
    y[..., 1:].mul_(2).relu_()
    return y.unsqueeze_(0).transpose_(1, 2).contiguous()


def attend(x: Tensor) -> Tensor:
    q, k, v = F.linear(x.flatten(1, 2), on_meta(12, 4)).view(2, 16, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 16, 4)


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "window": window,
    "in place": in_place,
    "attention": attend,
    "int": lambda x: x * 1,
    "float": lambda x: x.to(torch.int32) * 1.0,
    "bool": lambda x: x.to(torch.int32) * True,
    "int of int": lambda x: x.to(torch.int32) * 1,
    "types": lambda x: (x.half() + x, x > 0, x.to(torch.int8) + x.to(torch.int64)),
    "copies": lambda x: (x.contiguous(), x.mT.contiguous(), x.mT.reshape(2, -1), x.flatten(), x.mT.flatten()),
    "layouts": lambda x: F.conv2d(x.permute(0, 3, 1, 2), on_meta(8, 4, 3, 3)).relu() + F.conv2d(x, on_meta(8, 4, 1, 3)).sum(),
    "channels last": lambda x: F.conv2d(x.to(memory_format=torch.channels_last), on_meta(8, 4, 1, 3)).flatten(1),
    "several results": lambda x: (x.max(1), x.topk(2), x.sort(0), F.max_pool2d(x, 2, return_indices=True)),
    "lists": lambda x: torch.cat([*x.split(1, 3), *x.chunk(2, 1)[:1][0].unbind(1)[:0]]),
    "einsum": lambda x: torch.einsum("bhwc,bhvc->bwv", x, x),
    "masked": lambda x: x.masked_fill(x > 0, 0.0)[:, [0, 2]],
    "cpu constant": lambda x: x * torch.ones(4) + torch.tensor(3.0),
    "written into": lambda x: torch.add(x, 1, out=x.new_empty(x.shape)),
    "keywords": lambda x: (F.layer_norm(x, (4,), eps=1e-6), F.layer_norm(x, (4,), weight=on_meta(4))),
    "none": lambda x: F.batch_norm(x, on_meta(4), on_meta(4), None, on_meta(4)),
    "recurrent": lambda x: nn.LSTM(4, 3, bidirectional=True, device="meta")(x[0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_and_peak_are_the_same_with_and_without_a_memo(name: str) -> None:
    x, memo = on_meta(2, 4, 4, 4), Memo()
    without = without_time(count_call(FUNCTIONS[name], x.clone()))
    assert without.rows
    for remembered in (memo, memo, SHARED, SHARED):
        assert without_time(count_call(FUNCTIONS[name], x.clone(), memo=remembered)) == without


def layouts(shape: tuple[int, ...]) -> list[Tensor]:
    """The same shape in memory in several ways."""
    double = tuple(2 * size for size in shape)
    x, turned = on_meta(*shape), on_meta(*reversed(shape)).permute(*reversed(range(len(shape))))
    return [x, turned, on_meta(*double)[tuple(slice(None, None, 2) for _ in shape)], on_meta(*shape[1:]).expand(shape)]


ANY_LAYOUT = sorted(set(FUNCTIONS) - {"window", "attention", "cpu constant", "layouts", "channels last"})
"""Those that torch's own meta kernels can run on any shape and layout, and whose results they have.

Attention and convolution have the layout of real devices instead; `test_memory` holds them against the CPU.
"""


@given(st.integers(3, 5), st.integers(3, 5), st.lists(st.sampled_from(ANY_LAYOUT), min_size=1, max_size=3))
def test_results_have_the_shape_layout_and_type_that_torch_gives_them(batch: int, height: int, names: list[str]) -> None:
    def run(x: Tensor) -> list[Any]:
        return [looks(FUNCTIONS[name](x)) for name in names]

    for x in layouts((batch, 4, height, 4)):
        with torch.inference_mode():
            expected = run(x)
        results: list[Any] = []
        for _ in range(2):
            count_call(lambda x, results=results: results.append(run(x)), x, memo=SHARED)
        assert results == [expected, expected]


def looks(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    return [looks(item) for item in value] if isinstance(value, (tuple, list)) else value


class Model(nn.Module):
    """Some of everything a count could disturb."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, device="meta")
        self.norm = nn.BatchNorm2d(4, device="meta")
        self.linear = nn.Linear(4, 2, device="meta")
        self.linear.weight.requires_grad_(False)
        self.register_buffer("scale", torch.ones(4), persistent=False)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).mean((2, 3)) * self.scale
        return self.linear(x)  # type: ignore[no-any-return]


def state(model: nn.Module) -> list[Any]:
    seen: list[Any] = []
    for path, module in model.named_modules():
        tensors = {**module._parameters, **module._buffers}
        described = {
            name: None if t is None else (id(t), t._version, t.device, t.requires_grad, t.shape) for name, t in tensors.items()
        }
        plain = {name: value for name, value in vars(module).items() if isinstance(value, (int, float, str, bool))}
        hooks = [len(value) for name, value in vars(module).items() if name.endswith("hooks")]
        seen.append((path, id(module), module.training, described, plain, hooks, sorted(vars(module))))
    return seen


def test_a_count_leaves_the_model_as_it_was() -> None:
    model = Model().eval()
    model.linear.register_forward_hook(lambda module, args, out: out)
    before = state(model)
    count_model(model, [on_meta(2, 3, 8, 8)], Memo())
    assert state(model) == before


def fail(x: Tensor) -> None:
    raise KeyError("of the model's own")


def test_the_garbage_collector_does_not_run_while_a_model_is_counted() -> None:
    """A count makes thousands of objects that live as long as it does, such as the copies from which a model is put back."""
    model = nn.Sequential(*[nn.Identity() for _ in range(2_000)])
    was_enabled, thresholds = gc.isenabled(), gc.get_threshold()
    try:
        gc.set_threshold(100)  # objects made between two collections
        gc.enable()
        before = sum(generation["collections"] for generation in gc.get_stats())
        count_model(model, [on_meta(2)])
        collections = sum(generation["collections"] for generation in gc.get_stats()) - before
    finally:
        gc.set_threshold(*thresholds)
        (gc.enable if was_enabled else gc.disable)()
    assert collections < len(model) / 100  # a copy of each module alone would start that many


@pytest.mark.parametrize("is_enabled", [True, False])
@pytest.mark.parametrize("function", [torch.relu, fail])
def test_a_count_leaves_torch_and_the_garbage_collector_as_they_were(function: Callable[..., Any], is_enabled: bool) -> None:
    call, was_enabled = nn.Module.__call__, gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        if function is fail:
            with pytest.raises(KeyError, match="of the model's own"):
                count_call(function, on_meta(2))
        else:
            count_call(function, on_meta(2))
        assert gc.isenabled() == is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert nn.Module.__call__ is call
    assert not torch.is_inference_mode_enabled()
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert torch.relu(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_a_failed_count_leaves_its_memo_usable() -> None:
    memo = Memo()

    def stop_halfway(x: Tensor) -> None:
        fail(x.exp().mT.reshape(-1))

    with pytest.raises(KeyError):
        count_call(stop_halfway, on_meta(2, 3), memo=memo)
    assert without_time(count_call(lambda x: x.exp().mT.reshape(-1), on_meta(2, 3), memo=memo)) == without_time(
        count_call(lambda x: x.exp().mT.reshape(-1), on_meta(2, 3))
    )


def test_modules_stay_followable_while_anybody_follows_them() -> None:
    before = nn.Module.__call__  # torch's own, or replaced: somebody else in this process may follow modules
    with followable():
        replaced = nn.Module.__call__
        assert replaced.__module__ == "zoo.meta.module_stack"
        count_call(torch.relu, on_meta(2))
        assert nn.Module.__call__ is replaced
    assert nn.Module.__call__ is before


def test_other_threads_are_neither_recorded_nor_disturbed() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    results: list[Tensor] = []

    def run_elsewhere(x: Tensor) -> Tensor:
        thread = threading.Thread(target=lambda: results.append(model(torch.ones(1, 2))))
        thread.start()
        thread.join()
        return x.exp()

    cost = count_call(run_elsewhere, on_meta(3))
    assert [row.op.operation for row in cost.rows] == ["exp"]
    assert results[0].device.type == "cpu"


class Leaving(nn.Module):
    """Leaves a parameter behind in its first pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        self.table = nn.Parameter(on_meta(10))
        return self.linear(x)  # type: ignore[no-any-return]


def test_a_pass_that_need_not_keep_the_model_costs_the_same() -> None:
    model = Leaving().eval()
    kept = without_time(count_model(model, [on_meta(1, 4)]))
    assert not hasattr(model, "table")
    assert without_time(count_model(model, [on_meta(1, 4)], keep=False)) == kept
    assert hasattr(model, "table")
    assert kept.params == 4 * 4 + 4
