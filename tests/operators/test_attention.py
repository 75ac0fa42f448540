"""Fused attention against its definition: for each head and query, every key and every value once, masked or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models_for_tests import count_call, macs, on_meta
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from zoo.operators.operator_kinds import Kind

small = st.integers(1, 4)


def attend(**settings: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Fused attention with these settings."""
    return lambda q, k, v: scaled_dot_product_attention(q, k, v, **settings)


def products(heads: int, queries: int, keys: int, width: int, value_width: int) -> int:
    """One by one: the coordinates of a query and a key, then the coordinates of a value, for every pair in every head."""
    return sum(1 for _ in range(heads) for _ in range(queries) for _ in range(keys) for _ in range(width + value_width))


@given(st.lists(small, min_size=1, max_size=3), small, small, small, small)
def test_every_head_multiplies_every_query_with_every_key_and_value(
    heads: list[int], queries: int, keys: int, width: int, value_width: int
) -> None:
    q, k, v = (on_meta(*heads, n, size) for n, size in [(queries, width), (keys, width), (keys, value_width)])
    counted = macs(Kind.ATTENTION, scaled_dot_product_attention, q, k, v)
    assert counted == products(torch.Size(heads).numel(), queries, keys, width, value_width)


def masks(batch: int, heads: int, queries: int, keys: int) -> list[Tensor]:
    shapes = [(queries, keys), (batch, 1, queries, keys), (1, heads, 1, keys), (batch, heads, queries, keys)]
    return [on_meta(*shape, dtype=dtype) for shape in shapes for dtype in (torch.bool, torch.float32)]


@given(small, small, small, small, small)
def test_a_mask_spares_no_products(batch: int, heads: int, queries: int, keys: int, width: int) -> None:
    q, k, v = (on_meta(batch, heads, n, width) for n in (queries, keys, keys))
    expected = products(batch * heads, queries, keys, width, width)
    for mask in masks(batch, heads, queries, keys):
        assert macs(Kind.ATTENTION, attend(attn_mask=mask), q, k, v) == expected
    causal = macs(Kind.ATTENTION, attend(is_causal=True, scale=2.0), q, k, v)
    assert causal == expected


@given(st.tuples(small, small, small), st.integers(1, 3), small, small, small)
def test_heads_that_share_keys_and_values_multiply_them_each(
    sizes: tuple[int, int, int], sharing: int, keys: int, width: int, value_width: int
) -> None:
    batch, key_heads, queries = sizes
    q = on_meta(batch, key_heads * sharing, queries, width)
    k, v = on_meta(batch, key_heads, keys, width), on_meta(batch, key_heads, keys, value_width)
    counted = macs(Kind.ATTENTION, attend(enable_gqa=True), q, k, v)
    assert counted == products(batch * key_heads * sharing, queries, keys, width, value_width)


@pytest.mark.parametrize(
    ("q", "k", "batches"),
    [((1, 2), (3, 2), (3, 2)), ((3, 2), (1, 2), (3, 2)), ((3, 1), (1, 2), (3, 2)), ((2,), (3, 2), (3, 2))],
    ids=["one query for many", "one key for many", "both", "fewer dimensions"],
)
def test_heads_of_queries_and_keys_are_broadcast(q: tuple[int, ...], k: tuple[int, ...], batches: tuple[int, ...]) -> None:
    counted = macs(Kind.ATTENTION, scaled_dot_product_attention, on_meta(*q, 4, 8), on_meta(*k, 5, 8), on_meta(*k, 5, 8))
    assert counted == products(torch.Size(batches).numel(), 4, 5, 8, 8)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("needs_weights", [True, False])
@given(batch=small, heads=st.integers(1, 3), lengths=st.tuples(small, small), head_width=small)
def test_multi_head_attention_is_four_projections_and_the_attention(
    batch_first: bool, needs_weights: bool, batch: int, heads: int, lengths: tuple[int, int], head_width: int
) -> None:
    width, (queries, keys) = heads * head_width, lengths
    layer = nn.MultiheadAttention(width, heads, batch_first=batch_first, device="meta").eval()
    q, kv = (on_meta(batch, n, width) if batch_first else on_meta(n, batch, width) for n in lengths)
    cost = count_call(lambda: layer(q, kv, kv, need_weights=needs_weights))
    assert cost.macs_by_kind() == {
        Kind.LINEAR: batch * (2 * queries + 2 * keys) * width * width,  # of queries and outputs, of keys and values
        (Kind.MATMUL if needs_weights else Kind.ATTENTION): products(batch * heads, queries, keys, head_width, head_width),
    }
