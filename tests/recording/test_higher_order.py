"""Operators that take functions: conditions, attention with masks of blocks, and loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models_for_tests import Calling
from torch import Tensor, nn
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import zoo
from zoo.records import Status

WIDTH = 8
HEADS, TOKENS, HEAD = 2, 256, 16
FULL_MACS = HEADS * TOKENS * TOKENS * 2 * HEAD

pytestmark = pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile")


class Conditional(nn.Module):
    """One layer, or two."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x: Tensor) -> Any:
        predicate = x.sum() > 0
        return torch.cond(predicate, self.first, lambda x: self.second(self.first(x))[:, :WIDTH], (x,))


def test_of_a_condition_the_larger_branch_counts() -> None:
    cost = zoo.count(Conditional(), (WIDTH,))
    assert cost.macs == WIDTH * WIDTH + WIDTH * 2 * WIDTH
    assert (cost.status, cost.reason) == (Status.BOUND, "a condition (torch.cond): counted with its larger branch")
    assert [row.module for row in cost.rows if row.op.macs] == ["first", "second"]
    assert zoo.trace(Conditional(), (WIDTH,), batch=1).macs == cost.macs


def tokens() -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.zeros(1, HEADS, TOKENS, HEAD) for _ in range(3))  # type: ignore[return-value]


def test_flex_attention_without_a_mask_is_a_full_product() -> None:
    cost = zoo.count(Calling(flex_attention), tokens())
    assert (cost.macs, cost.status) == (FULL_MACS, Status.EXACT)


def test_flex_attention_counts_the_blocks_that_its_mask_leaves() -> None:
    """256 tokens in blocks of 128, causal: three of four blocks; a window of one block: two of four."""
    causal = create_block_mask(lambda b, h, q, k: q >= k, None, None, TOKENS, TOKENS, device="cpu")
    same_block = create_block_mask(lambda b, h, q, k: q // 128 == k // 128, None, None, TOKENS, TOKENS, device="cpu")
    for mask, blocks in ((causal, 3), (same_block, 2)):
        cost = zoo.count(Calling(lambda q, k, v, mask=mask: flex_attention(q, k, v, block_mask=mask)), tokens())
        assert (cost.macs, cost.status) == (FULL_MACS * blocks // 4, Status.EXACT)
        (row,) = [row for row in cost.rows if row.op.macs]
        assert (row.op.operation, row.op.kind.value) == ("flex_attention", "attention")
        scores = HEADS * TOKENS * TOKENS * blocks // 4
        assert cost.total("all") == 2 * cost.macs + HEADS * TOKENS * HEAD + 5 * scores


def test_a_map_counts_every_element() -> None:
    layer = nn.Linear(WIDTH, WIDTH)

    class Mapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Any:
            return map_rows(self.layer, x)

    assert zoo.count(Mapped(), (WIDTH,), batch=5).macs == 5 * WIDTH * WIDTH


def test_a_loop_counts_the_steps_that_it_takes_with_data() -> None:
    def run(x: Tensor) -> Any:
        return while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x @ torch.eye(WIDTH)), (torch.tensor(0), x))

    cost = zoo.count(Calling(run), torch.zeros(1, WIDTH))
    assert cost.macs == 3 * WIDTH * WIDTH
