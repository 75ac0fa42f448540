"""Products of both passes and what is kept between them: by derivation on small models, and against torch's own counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import build, on_meta, size_of
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.utils.checkpoint import checkpoint
from training_references import SAMPLE, TIMM, TORCHVISION, count_both_passes_with_torch

import zoo
from zoo.counting.count_model import meta_input
from zoo.errors import InputError, UnknownNameError
from zoo.recording.memo import Memo
from zoo.records import Status
from zoo.training.count_training import count_training

BATCH = 2


class Net(nn.Module):
    """Parameters by shape, and a function of them and the input."""

    def __init__(self, function: Callable[..., Any], **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(on_meta(*shape)))

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs, **dict(self.named_parameters()))


def passes(model: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """MACs of the forward and of the backward pass."""
    cost = count_training(model, inputs)
    assert cost.status == Status.EXACT, cost.reason
    return cost.forward.macs, cost.backward.macs


def test_a_layer_has_the_gradient_of_its_weight_and_of_its_input_if_that_needs_one() -> None:
    first, second = BATCH * 4 * 8, BATCH * 8 * 3
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    assert passes(model, on_meta(BATCH, 4)) == (first + second, first + 2 * second)


def test_frozen_parameters_have_no_gradient_and_stop_it_where_nothing_before_them_is_trained() -> None:
    first, second = BATCH * 4 * 8, BATCH * 8 * 3
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model[1].requires_grad_(False)
    assert passes(model, on_meta(BATCH, 4)) == (first + second, first + second)  # through the second, to the weight of the first
    model.requires_grad_(False)
    model[1].weight.requires_grad_(True)
    cost = count_training(model, [on_meta(BATCH, 4)])
    assert cost.backward.macs == second
    assert cost.trainable_params == 8 * 3
    assert cost.gradient_bytes == size_of(8, 3)


def test_a_model_without_anything_to_train_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs a gradient\. Unfreeze one"):
        count_training(nn.Linear(4, 8).requires_grad_(False), [on_meta(BATCH, 4)])


GROUPS, KERNEL, SIDE = 4, 3, 6


@pytest.mark.parametrize("groups", [1, GROUPS])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_convolution_has_two_gradients_of_its_own_size(dims: int, groups: int) -> None:
    layer = [nn.Conv1d, nn.Conv2d, nn.Conv3d][dims - 1](8, 12, KERNEL, padding=1, groups=groups, device="meta")
    once = BATCH * 12 * SIDE**dims * (8 // groups) * KERNEL**dims
    assert passes(nn.Sequential(layer), on_meta(BATCH, 8, *[SIDE] * dims)) == (once, once)
    assert passes(Net(lambda x, w: layer(x * w), w=(1,)), on_meta(BATCH, 8, *[SIDE] * dims)) == (once, 2 * once)


@pytest.mark.parametrize("groups", [1, GROUPS])
def test_a_transposed_convolution_has_two_gradients_of_its_own_size(groups: int) -> None:
    layer = nn.ConvTranspose2d(8, 12, KERNEL, stride=2, groups=groups, device="meta")
    once = BATCH * 8 * SIDE**2 * (12 // groups) * KERNEL**2
    assert passes(Net(lambda x, w: layer(x * w), w=(1,)), on_meta(BATCH, 8, SIDE, SIDE)) == (once, 2 * once)


def test_products_of_matrices_that_are_repeated_have_the_gradients_of_the_repetitions() -> None:
    """torch's flop counter: mm (4, 5) (5, 6), repeated 7 times, bmm with (7, 6, 7); the other operands are not trained."""
    model = Net(lambda x, y, a: torch.bmm((a @ x).unsqueeze(0).expand(7, 4, 6), y), a=(4, 5))
    product, batched = 4 * 5 * 6, 7 * 4 * 6 * 7
    assert passes(model, on_meta(5, 6), on_meta(7, 6, 7)) == (product + batched, batched + product)


class _Square(torch.autograd.Function):
    """Its backward pass has two products that are not the gradient's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x @ x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] @ grads[0] + grads[0] @ grads[0]


def squared(a: Tensor) -> Any:
    return _Square.apply(a)


def test_a_function_with_a_backward_pass_of_its_own_is_counted_by_what_it_does() -> None:
    model = Net(squared, a=(5, 5))
    assert passes(model) == (5**3, 2 * 5**3)


HEADS, QUERIES, KEYS, WIDTH = 8, 16, 32, 64


@pytest.mark.parametrize(
    "settings",
    [{}, {"is_causal": True}, {"attn_mask": on_meta(QUERIES, KEYS)}, {"attn_mask": on_meta(QUERIES, KEYS, dtype=torch.bool)}, {"dropout_p": 0.1}],
    ids=["plain", "causal", "mask", "truth values", "dropout"],
)  # fmt: skip
def test_the_gradient_of_attention_has_twice_its_products(settings: dict[str, Any]) -> None:
    model = Net(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **settings),
        q=(BATCH, HEADS, QUERIES, WIDTH), k=(BATCH, HEADS, KEYS, WIDTH), v=(BATCH, HEADS, KEYS, WIDTH),
    )  # fmt: skip
    once = BATCH * HEADS * QUERIES * KEYS * (WIDTH + WIDTH)
    cost = count_training(model, [])
    assert (cost.forward.macs, cost.backward.macs) == (once, 2 * once)
    # FlopCounterMode counts 7/2 of the forward pass for kernels of GPUs: half of it more, the scores again.
    assert cost.repeated_attention_macs == (0 if "dropout_p" in settings else once // 2)


def test_resnet18_is_what_torchs_flop_counter_says_without_the_gradient_of_the_image() -> None:
    """10,884,440,064 FLOPs there, with the gradient of the image by the first convolution."""
    first = 64 * 112 * 112 * 3 * 7 * 7
    cost = count_training(build("torchvision/resnet18").model, [meta_input((3, 224, 224))])
    assert cost.flops == 10_884_440_064 - 2 * first
    layer1 = 4 * 64 * 56 * 56 * 64 * 3 * 3
    by_module = cost.by_module(1).set_index("module")
    assert (by_module.forward_macs["layer1"], by_module.backward_macs["layer1"]) == (layer1, 2 * layer1)


def test_checkpointed_parts_run_again_in_the_backward_pass_and_keep_less() -> None:
    layers = [nn.Linear(16, 16, device="meta") for _ in range(4)]

    class Checkpointed(nn.Module):
        def __init__(self, *, is_on: bool) -> None:
            super().__init__()
            self.layers, self.is_on = nn.Sequential(*[nn.Sequential(layer, nn.Tanh()) for layer in layers]), is_on

        def forward(self, x: Tensor) -> Any:
            return checkpoint(self.layers, x, use_reentrant=False) if self.is_on else self.layers(x)

    once, x = 4 * BATCH * 16 * 16, on_meta(BATCH, 16)
    plain, checkpointed = (count_training(Checkpointed(is_on=is_on), [x]) for is_on in (False, True))
    backward = 2 * once - BATCH * 16 * 16  # the input needs no gradient
    assert (plain.forward.macs, plain.backward.macs) == (once, backward)
    assert (checkpointed.forward.macs, checkpointed.backward.macs) == (once, once + backward)
    assert plain.saved_bytes == size_of(BATCH, 16) * 5  # the input and the result of each tanh
    assert checkpointed.saved_bytes == size_of(BATCH, 16)  # the input alone
    layers_macs = checkpointed.by_module(2).set_index("module").backward_macs
    assert layers_macs["layers.3"] == 3 * BATCH * 16 * 16  # the recomputation belongs to the layer too


def test_what_is_saved_is_counted_once_without_parameters() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    cost = count_training(model, [on_meta(BATCH, 4)])
    assert cost.saved_bytes_by_module == {"0": size_of(BATCH, 4), "1": size_of(BATCH, 8)}  # ReLU's result is the third's input
    assert cost.saved_bytes == size_of(BATCH, 4) + size_of(BATCH, 8)


def test_the_memory_of_a_step_is_derived_from_what_is_alive() -> None:
    model = nn.Sequential(nn.Linear(100, 10, bias=False), nn.Linear(10, 1000, bias=False))
    cost = count_training(model, [on_meta(1, 100)])
    first, second = size_of(100, 10), size_of(10, 1000)
    persistent = first + second + size_of(1, 100)
    hidden, out, number = size_of(1, 10), size_of(1, 1000), size_of(1)
    assert cost.forward.peak_bytes == hidden + out + number
    # Backward of the second layer: its weight's gradient, then that of the hidden values; the loss and its gradient are alive.
    kept = second + first + out + number
    assert cost.kept_bytes == kept
    assert cost.gradient_bytes == first + second
    assert cost.optimizer_state_bytes("sgd") == 0
    assert cost.optimizer_state_bytes("sgd-momentum") == first + second
    assert cost.optimizer_state_bytes("adam") == cost.optimizer_state_bytes("adamw") == 2 * (first + second)
    # Adam takes the root of the larger weight's second moment, and divides it into another tensor.
    assert cost.step_bytes("adamw") == persistent + 2 * (first + second) + kept + 2 * second
    assert cost.step_bytes("sgd") == persistent + max(cost.backward.peak_bytes, kept)
    with pytest.raises(UnknownNameError, match=r"'adamax' was not counted\. Did you mean adam"):
        cost.step_bytes("adamax")


class Norms(nn.Module):
    """A normalisation that is trained, and one that is frozen in evaluation mode by the model's own `train`."""

    def __init__(self) -> None:
        super().__init__()
        self.trained, self.frozen, self.unused = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.Linear(3, 3)

    def train(self, mode: bool = True) -> Norms:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, x: Tensor) -> Any:
        return self.frozen(self.trained(x))


def test_the_pass_is_in_training_mode_as_the_model_itself_sets_it() -> None:
    cost = zoo.count(Norms().eval(), (3, 8, 8), batch=BATCH, training=True)
    norms = {row.module: row.op.arguments for row in cost.forward.rows if row.op.operation == "native_batch_norm"}
    assert {path: arguments.startswith("True") for path, arguments in norms.items()} == {"trained": True, "frozen": False}
    assert cost.never_called == ("unused",)


def test_modes_that_the_caller_has_set_are_kept() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3)).train()
    model[0].eval()
    cost = zoo.count(model, (3,), batch=BATCH, training=True)
    assert [row.op.arguments.startswith("True") for row in cost.forward.rows if row.op.kind == "norm"] == [False, True]


def test_auxiliary_heads_are_part_of_a_step() -> None:
    in_training, in_evaluation = (
        zoo.count(build("torchvision/inception_v3").model, (3, 299, 299), batch=BATCH, training=True),
        zoo.count(build("torchvision/inception_v3").model, (3, 299, 299), batch=BATCH),
    )
    head = in_training.by_module(1).set_index("module").forward_macs["AuxLogits"]
    # 768 channels of 17 x 17, pooled by 5 with stride 3 to 5 x 5: a 1 x 1 convolution to 128, one of 5 x 5 to 768, and the classes.
    assert head == BATCH * (5 * 5 * 768 * 128 + 128 * 25 * 768 + 768 * 1000)
    assert in_training.forward.macs == in_evaluation.macs + head


class Remembering(nn.Module):
    """Writes to a buffer, a counter, a list and its parameter in its forward pass."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.outputs: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.outputs.append(self.norm(self.layer(F.dropout(x, 0.5, self.training))))
        return self.outputs[-1]


def test_a_model_is_left_as_it_was_with_its_gradients_and_random_state() -> None:
    model = Remembering().eval()
    model(torch.ones(3, 4)).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    grads = [parameter.grad for parameter in model.parameters()]
    kept, parameters, random_state = list(model.outputs), list(model.parameters()), torch.get_rng_state()
    zoo.count(model, (4,), batch=BATCH, training=True)
    assert not model.training
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert all(a is b.grad for a, b in zip(grads, parameters, strict=True))
    assert [id(output) for output in model.outputs] == [id(output) for output in kept]
    assert torch.equal(random_state, torch.get_rng_state())


def test_figures_do_not_depend_on_what_a_memo_remembers() -> None:
    built, memo = build("timm/resnet18"), Memo()
    first, *others = (
        count_training(built.model, [meta_input(built.shape, batch=BATCH)], shared) for shared in (None, memo, memo)
    )
    assert others == [first, first]


@pytest.mark.parametrize(
    "name",
    [*SAMPLE, *(pytest.param(name, marks=pytest.mark.long) for name in [*TIMM, *TORCHVISION] if name not in SAMPLE)],
)
def test_both_passes_have_the_products_that_torch_counts(name: str) -> None:
    built = build(name)
    cost = count_training(built.model, [meta_input(built.shape, batch=BATCH)])
    assert (cost.forward.macs, cost.backward.macs) == count_both_passes_with_torch(build(name), batch=BATCH)
    assert cost.status == Status.EXACT, cost.reason
