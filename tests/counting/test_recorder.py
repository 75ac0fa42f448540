"""What the recorder makes of modules, operators and tensors: every operation once, under the module that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import count_call, on_meta, rows_of, size_of
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.utils.checkpoint import checkpoint

from zoo.counting.count_model import count_model
from zoo.operators.operator_kinds import Kind
from zoo.recording.memo import Memo

BATCH, WIDTH = 2, 6
LINEAR_MACS = BATCH * WIDTH * WIDTH


def linear() -> nn.Linear:
    return nn.Linear(WIDTH, WIDTH, device="meta")


def vectors() -> Tensor:
    return on_meta(BATCH, WIDTH)


class Nested(nn.Module):
    """Calls `inner.twice` twice and `last` once; `again` is `last` by another name."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"twice": linear()})
        self.last = linear()
        self.again = self.last

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner["twice"](self.inner["twice"](x)).relu()
        return self.again(x)  # type: ignore[no-any-return]


def test_each_operation_stands_under_the_module_that_asked_for_it_alike_calls_joined() -> None:
    cost = count_model(Nested().eval(), [vectors()])
    assert rows_of(cost) == [("inner.twice", "linear", 2), ("", "relu", 1), ("last", "linear", 1)]
    assert [row.position for row in cost.rows] == [0, 2, 3]
    assert cost.macs == 3 * LINEAR_MACS
    assert cost.operations == 4


def test_calls_of_a_module_on_different_shapes_are_rows_of_their_own() -> None:
    layer = linear()
    cost = count_call(lambda x: layer(layer(x)[:1]), vectors())
    assert [(row.op.shapes, row.calls) for row in cost.rows] == [
        (f"{rows}x{WIDTH}, {WIDTH}x{WIDTH}, {WIDTH} -> {rows}x{WIDTH}", 1) for rows in (BATCH, 1)
    ]


def test_shared_parameters_weigh_once_and_work_as_often_as_they_are_used() -> None:
    model = nn.Sequential(linear(), linear())
    model[1].weight = model[0].weight
    cost = count_model(model.eval(), [vectors()])
    assert cost.params == WIDTH * WIDTH + 2 * WIDTH
    assert cost.weight_bytes == size_of(WIDTH, WIDTH) + 2 * size_of(WIDTH)
    assert [(row.module, row.op.macs) for row in cost.rows] == [("0", LINEAR_MACS), ("1", LINEAR_MACS)]


def test_parameters_that_are_views_of_one_another_share_their_bytes() -> None:
    model = linear()
    model.bias = nn.Parameter(model.weight.detach()[0])
    assert count_model(model.eval(), [vectors()]).weight_bytes == size_of(WIDTH, WIDTH)


def test_hooks_run_once_and_what_they_compute_is_counted() -> None:
    model, seen = nn.Sequential(linear(), nn.ReLU()), []
    model[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    model[1].register_forward_hook(lambda module, args, out: seen.append(module))
    cost = count_model(model.eval(), [vectors()])
    assert rows_of(cost) == [("0", "mul", 1), ("0", "linear", 1), ("1", "relu", 1)]
    assert seen == [model[1]]


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_checkpointed_part_is_counted_once(use_reentrant: bool) -> None:
    model = nn.Sequential(linear(), nn.ReLU())
    cost = count_call(lambda x: checkpoint(model, x, use_reentrant=use_reentrant), vectors())
    assert [row[1:] for row in rows_of(cost)] == [("linear", 1), ("relu", 1)]


WIDE, HEADS, TOKENS = 8, 2, 5
ENCODER_LAYER_MACS = BATCH * TOKENS * (4 * WIDE * WIDE + 2 * TOKENS * WIDE + 2 * WIDE * 2 * WIDE)
"""Projections of queries, keys, values and outputs; scores and weighted values; both layers of the perceptron."""


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_transformer_layers_hide_no_work_in_a_fast_path(batch_first: bool, norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(WIDE, HEADS, 2 * WIDE, batch_first=batch_first, norm_first=norm_first, device="meta")
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=batch_first and not norm_first).eval()
    tokens = on_meta(BATCH, TOKENS, WIDE) if batch_first else on_meta(TOKENS, BATCH, WIDE)
    cost = count_model(encoder, [tokens])
    assert cost.macs == 3 * ENCODER_LAYER_MACS
    assert cost.macs_by_kind()[Kind.ATTENTION] == 3 * BATCH * TOKENS * 2 * TOKENS * WIDE
    assert {row.module for row in cost.rows} >= {f"layers.{i}.{part}" for i in range(3) for part in ("self_attn", "linear1")}


def test_a_padding_mask_leaves_a_transformer_its_work() -> None:
    layer = nn.TransformerEncoderLayer(WIDE, HEADS, 2 * WIDE, batch_first=True, device="meta")
    encoder = nn.TransformerEncoder(layer, 1).eval()
    padding = on_meta(BATCH, TOKENS, dtype=torch.bool)
    cost = count_call(lambda x: encoder(x, src_key_padding_mask=padding), on_meta(BATCH, TOKENS, WIDE))
    assert cost.macs == ENCODER_LAYER_MACS


def described(cost: Any) -> list[tuple[Any, ...]]:
    return [(r.op.operation, r.op.kind, r.op.elements_in, r.op.elements_out) for r in cost.rows]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.view(3, -1),
        lambda x: x.reshape(3, -1),
        lambda x: x.flatten(),
        lambda x: x.contiguous(),
        lambda x: x.to(torch.float32),
        lambda x: x.permute(1, 0)[1:, None].squeeze(),
        lambda x: x.mT.expand(3, -1, -1),
        lambda x: x.split(1)[0],
        lambda x: x.chunk(2)[1].unbind()[0],
        lambda x: x.detach().unflatten(1, (2, -1)),
        lambda x: torch.einsum("ij->ji", x),
        nn.Dropout(0.5).eval(),
        nn.Identity(),
    ],
)
@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
def test_what_gives_the_same_memory_another_shape_is_free(function: Callable[[Tensor], Tensor], memo: Memo | None) -> None:
    for _ in range(2):
        cost = count_call(function, vectors(), memo=memo)
        assert cost.rows == ()
        assert cost.peak_activation_bytes == 0


@pytest.mark.parametrize(
    ("function", "name", "written"),
    [
        (lambda x: x.mT.reshape(-1), "reshape", BATCH * WIDTH),
        (lambda x: x.mT.flatten(), "flatten", BATCH * WIDTH),
        (lambda x: x.mT.contiguous(), "contiguous", BATCH * WIDTH),
        (lambda x: x.clone(), "clone", BATCH * WIDTH),
        (lambda x: x.half(), "to", BATCH * WIDTH),
        (lambda x: x.expand(3, -1, -1).contiguous(), "contiguous", 3 * BATCH * WIDTH),
        (lambda x: torch.cat([x, x], 1), "cat", 2 * BATCH * WIDTH),
        (lambda x: x.roll(1, 0), "roll", BATCH * WIDTH),
    ],
)
@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
def test_what_moves_data_is_a_copy_of_what_it_writes(function: Any, name: str, written: int, memo: Memo | None) -> None:
    for _ in range(2):
        (row,) = count_call(function, vectors(), memo=memo).rows
        assert (row.op.operation, row.op.kind, row.op.macs, row.op.elements_out) == (name, Kind.COPY, 0, written)


def test_operations_in_place_are_recorded_and_make_no_tensor() -> None:
    cost = count_call(lambda x: F.relu(x.add_(1), inplace=True).mul_(x), vectors())
    size = BATCH * WIDTH
    assert [row[0] for row in described(cost)] == ["add", "relu", "mul"]
    assert {row[3] for row in described(cost)} == {size}
    assert cost.peak_activation_bytes == 0


def test_in_place_changes_of_shape_change_the_shape() -> None:
    for memo in (None, Memo()):
        for _ in range(2):
            cost = count_call(lambda x: x.unsqueeze_(0).transpose_(1, 2).exp(), vectors(), memo=memo)
            assert [row.op.shapes for row in cost.rows] == [f"1x{WIDTH}x{BATCH} -> 1x{WIDTH}x{BATCH}"]


def test_elements_that_a_broadcast_repeats_are_read_once() -> None:
    cost = count_call(lambda x, bias: x + bias.expand(BATCH, WIDTH), vectors(), on_meta(WIDTH))
    (row,) = cost.rows
    assert row.op.elements_in == BATCH * WIDTH + WIDTH
    assert row.op.bytes_in == size_of(BATCH, WIDTH) + size_of(WIDTH)
    assert row.op.bytes_out == size_of(BATCH, WIDTH)


def test_bytes_are_those_of_each_tensors_own_type() -> None:
    (row,) = count_call(lambda x, y: x + y, on_meta(4, dtype=torch.float16), on_meta(4, dtype=torch.float64)).rows
    assert (row.op.bytes_in, row.op.bytes_out) == (4 * 2 + 4 * 8, 4 * 8)
    assert row.op.dtypes == "float16, float64 -> float64"


def test_what_a_new_tensor_is_shaped_like_is_not_read() -> None:
    cost = count_call(torch.zeros_like, vectors())
    assert (cost.bytes_read, cost.bytes_written) == (0, size_of(BATCH, WIDTH))


def test_where_a_result_is_put_is_written_and_not_read() -> None:
    result = vectors()
    cost = count_call(lambda x: torch.exp(x, out=result), vectors())
    assert (cost.bytes_read, cost.bytes_written) == (size_of(BATCH, WIDTH), size_of(BATCH, WIDTH))
