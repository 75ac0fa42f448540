"""Whole layers answered from memory: the same figures as running them, whatever has become of the layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import on_meta, rows_of, without_time
from torch import Tensor, nn

from zoo.counting.count import count_model
from zoo.counting.recorder import Memo


def conv() -> nn.Module:
    return nn.Conv2d(4, 4, 3, padding=1, device="meta")


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": conv,
    "conv of another mode": lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", device="meta"),
    "norm": lambda: nn.BatchNorm2d(4, device="meta"),
    "norm of its own": lambda: nn.BatchNorm2d(4, track_running_stats=False, device="meta"),
    "linear": lambda: nn.Linear(6, 6, device="meta"),
    "relu": nn.ReLU,
    "in place": lambda: nn.ReLU(inplace=True),
    "identity": nn.Identity,
    "dropout": nn.Dropout,
    "flatten": nn.Flatten,
    "pool with indices": lambda: nn.MaxPool2d(2, return_indices=True),
    "soft": lambda: nn.Softmax(-1),
    "attention": lambda: nn.TransformerEncoderLayer(6, 2, 6, device="meta"),
    "recurrent": lambda: nn.LSTM(6, 6, device="meta"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_cost_the_same_from_memory(name: str) -> None:
    shape = (2, 4, 6) if name in ("attention", "recurrent") else (2, 4, 6, 6)
    memo, costs = Memo(), []
    for remembered in (None, memo, memo, memo):
        model = nn.Sequential(LAYERS[name](), LAYERS[name]()) if name in ("conv", "norm", "in place") else LAYERS[name]()
        costs.append(without_time(count_model(model.eval(), [on_meta(*shape)], remembered)))
    assert costs[1:] == costs[:1] * 3


def double_stride(layer: Any) -> None:
    layer.stride = (2, 2)


def add_bias(layer: Any) -> None:
    layer.weight = nn.Parameter(on_meta(8, 4, 3, 3))
    layer.bias = nn.Parameter(on_meta(8))


def hook(layer: Any) -> None:
    layer.register_forward_hook(lambda module, args, out: out.relu())


def hook_before(layer: Any) -> None:
    layer.register_forward_pre_hook(lambda module, args: (args[0].relu(),))


def run_otherwise(layer: Any) -> None:
    layer.forward = lambda x: x.relu()


def keep_tensor(layer: Any) -> None:
    layer.kept = on_meta(3)


def nest(layer: Any) -> None:
    layer.inside = nn.ReLU()


def train(layer: Any) -> None:
    layer.training = True


@pytest.mark.parametrize("change", [double_stride, add_bias, hook, hook_before, run_otherwise, keep_tensor, nest, train])
@pytest.mark.parametrize("kind", [conv, lambda: nn.Dropout(0.5)], ids=["conv", "dropout"])
def test_a_layer_that_was_changed_is_seen_to_be(kind: Callable[[], nn.Module], change: Callable[[Any], None]) -> None:
    memo = Memo()
    for _ in range(2):
        count_model(kind().eval(), [on_meta(1, 4, 6, 6)], memo)
    layer = kind().eval()
    change(layer)
    expected = without_time(count_model(layer, [on_meta(1, 4, 6, 6)]))
    for _ in range(2):
        assert without_time(count_model(layer, [on_meta(1, 4, 6, 6)], memo)) == expected


def test_a_layer_of_another_type_is_another_layer() -> None:
    memo = Memo()
    for layer, x in ((conv(), on_meta(1, 4, 6, 6)), (conv().half(), on_meta(1, 4, 6, 6, dtype=torch.float16))):
        count_model(layer.eval(), [x], memo)
        cost = count_model(layer, [x], memo)
        assert cost.rows[0].facts.dtypes.startswith(str(x.dtype).removeprefix("torch."))


class Nested(nn.Module):
    """Is called with one tensor, and calls another layer that nobody registered."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return OUTER(x)  # type: ignore[no-any-return]


OUTER = nn.ReLU()
Nested.__module__ = "timm.imagined"


def test_what_a_layer_calls_stands_under_what_was_called() -> None:
    memo = Memo()
    for _ in range(3):
        assert rows_of(count_model(Nested(), [on_meta(2)], memo)) == [("", "relu", 1)]
        assert [row.module_class for row in count_model(Nested(), [on_meta(2)], memo).rows] == ["ReLU"]


def test_a_layer_that_fails_fails_again() -> None:
    memo = Memo()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="channel"):
            count_model(conv().eval(), [on_meta(1, 5, 6, 6)], memo)
    assert count_model(conv().eval(), [on_meta(1, 4, 6, 6)], memo).operations == 1


def test_a_pass_that_need_not_keep_the_model_costs_the_same() -> None:
    class Leaving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv()

        def forward(self, x: Tensor) -> Tensor:
            self.table = nn.Parameter(on_meta(10))
            return self.conv(x)  # type: ignore[no-any-return]

    costs = [without_time(count_model(Leaving().eval(), [on_meta(1, 4, 6, 6)], keep=keep)) for keep in (True, False)]
    assert costs[0] == costs[1]
    assert costs[0].params == 4 * 4 * 3 * 3 + 4
