"""Multiply-accumulates of single operations, from shapes alone.

Every formula is the number of products that are summed according to the definition of its operation. Bias, scaling, masks and softmax are
not such products; conventions that include them compute them from the recorded elements (`zoo.counting.conventions`). Shapes are
those of aten's arguments: activations (N, C, *spatial), weights (C_out, C_in / groups, *kernel).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Formula = Callable[[Sequence[Any], dict[str, Any], Any], int]
"""(positional arguments, keyword arguments, result) of the operator -> MACs."""


def conv_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """Each output element sums over one filter: |out| * C_in / groups * |kernel|. Padding is counted like data.

    Also for deformable convolutions: the bilinear sampling of their input is not counted as MACs.
    """
    weight = args[1]
    return int(out.numel() * math.prod(weight.shape[1:]))


def conv_transpose_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """Each input element is multiplied with all of its group's filters: |x| * C_out / groups * |kernel|.

    The weight is (C_in, C_out / groups, *kernel). Products that fall outside the output because of padding are counted.
    """
    x, weight = args[0], args[1]
    return int(x.numel() * math.prod(weight.shape[1:]))


def convolution_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """`aten::convolution`, whose seventh argument tells whether it is transposed."""
    return conv_transpose_macs(args, kwargs, out) if args[6] else conv_macs(args, kwargs, out)


def linear_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """x (..., K) with weight (N, K): |x| * N."""
    x, weight = args[0], args[1]
    return int(x.numel() * (weight.shape[0] if weight.dim() == 2 else 1))


def matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """(..., M, K) with (..., K, N), batch dimensions broadcast: |out| * K. For matmul, mm, bmm, mv and dot.

    Also for products with packed weights, such as `_weight_int4pack_mm`, where only the first operand shows K. Of a sparse operand only the
    stored entries are multiplied.
    """
    if args[0].layout != torch.strided:
        return int(args[0]._nnz() * args[1].shape[-1])
    return int(out.numel() * args[0].shape[-1])


def added_matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """addmm, addmv and baddbmm: the product of the second and third argument; the addition of the first is not a product."""
    return matmul_macs(args[1:], kwargs, out)


def summed_matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """addbmm sums its batch of products too: B * M * K * N."""
    batch, rows, inner = args[1].shape
    return int(batch * rows * inner * args[2].shape[-1])


def conv_tbc_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """x (T, B, C_in) with weight (kernel, C_in, C_out): |out| * kernel * C_in."""
    kernel, channels, _ = args[1].shape
    return int(out.numel() * kernel * channels)


def grouped_matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """`_grouped_mm`: rows, columns or the inner dimension are divided among groups, or each group has its own matrices.

    With two 2-dimensional operands K is divided among the groups, so that each result sums over its group's part of K only.
    """
    first, second = args[0], args[1]
    if first.dim() == second.dim() == 2:
        return int(first.numel() * second.shape[-1])
    return int(out.numel() * first.shape[-1])


def each_matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Sequence[Tensor]) -> int:
    """`_foreach_mm`: a list of products."""
    return sum(int(result.numel() * first.shape[-1]) for first, result in zip(args[0], out, strict=True))


def row_products_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """linalg.vecdot: scalar products of vectors along one dimension, the others broadcast."""
    return math.prod(torch.broadcast_shapes(args[0].shape, args[1].shape))


def embedding_bag_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """(table, indices, offsets, …, per_sample_weights): each looked-up row times its weight, summed; 0 without weights."""
    table, indices = args[:2]
    weights = args[6] if len(args) > 6 else kwargs.get("per_sample_weights")
    return 0 if weights is None else int(indices.numel() * table.shape[-1])


def sparse_matmul_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """A sparse matrix with a dense one: every stored entry is multiplied with a row."""
    sparse, dense = args[-2:]
    return int(sparse._nnz() * dense.shape[-1])


def affine_grid_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """theta (N, d, d + 1) with every point of a grid, in homogeneous coordinates: |out| * (d + 1)."""
    return int(out.numel() * (out.shape[-1] + 1))


def bilinear_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """x1 (..., A), x2 (..., B), weight (N, A, B), as torch computes it: x1 with the weight, then the result with x2."""
    x1, weight = args[0], args[2]
    features, first, second = weight.shape
    rows = x1.numel() // first
    return int(rows * features * second * (first + 1))


def attention_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """q (..., L, E), k (..., S, E), v (..., S, V): L * S * (E + V) for each head, masked or not.

    The heads are those of the result: batch dimensions are broadcast, and with `enable_gqa` q has more heads than k.
    """
    q, k, v = args[:3]
    result = out if isinstance(out, Tensor) else out[0]
    heads = math.prod(result.shape[:-2])
    return int(heads * q.shape[-2] * k.shape[-2] * (q.shape[-1] + v.shape[-1]))


def multi_head_attention_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """torch's fast path of nn.MultiheadAttention: projections of q, k and v (B, L, E), attention, and the output projection."""
    q, k, v, width = args[:4]
    batch, length, _ = q.shape
    projected = (2 * q.numel() + k.numel() + v.numel()) * width  # the result is as large as q
    return int(projected + 2 * batch * length * k.shape[1] * width)


def transformer_layer_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """torch's fast path of nn.TransformerEncoderLayer: self-attention, then two linear layers for each token."""
    x, width, first, second = args[0], args[1], args[14], args[16]
    tokens = x.numel() // width
    return multi_head_attention_macs((x, x, x, width), {}, out) + int(tokens * (first.numel() + second.numel()))


def recurrent_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """LSTM, GRU and RNN over a sequence: every time step multiplies every weight matrix once.

    This includes projection matrices (LSTM with `proj_size`). x is (T, N, I), (N, T, I) or (T, I), so there are |x| / I steps; for packed
    sequences it is (sum of lengths, I), followed by their batch sizes.
    """
    x, second = args[0], args[1]
    is_packed = isinstance(second, Tensor) and not second.is_floating_point()
    weights = args[3] if is_packed else args[2]
    steps = x.numel() // x.shape[-1]
    return int(steps * sum(w.numel() for w in weights if w.dim() == 2))


def quantized_recurrent_macs(gates: int) -> Formula:
    """`quantized_lstm` and `quantized_gru`. Their matrices are packed: sizes follow from inputs, states, layers and directions."""

    def count(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
        x, second = args[:2]
        is_packed = isinstance(second, Tensor) and not second.is_floating_point()
        state, _, _, layers, _, _, is_bidirectional = args[2 if is_packed else 1 :][:7]
        width = (state if isinstance(state, Tensor) else state[0]).shape[-1]
        directions = 2 if is_bidirectional else 1
        inputs = x.shape[-1] + (layers - 1) * directions * width
        steps = x.numel() // x.shape[-1]
        return int(steps * directions * gates * width * (inputs + layers * width))

    return count


def recurrent_kernel_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """cuDNN's and MIOpen's recurrent layers: (x, weights, …), all layers and directions."""
    return recurrent_macs((args[0], None, args[1]), kwargs, out)


def recurrent_layer_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """oneDNN's: (x, weight of the input, weight of the state, …), one layer in one direction."""
    return recurrent_macs((args[0], None, args[1:3]), kwargs, out)


def recurrent_cell_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """lstm_cell, gru_cell, rnn_*_cell: one step of both weight matrices for each row of the batch."""
    x = args[0]
    rows = x.numel() // x.shape[-1]
    return int(rows * sum(w.numel() for w in args[2:4]))


def distance_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> int:
    """cdist of (..., P, M) and (..., R, M), pdist of (P, M): |out| * M squared differences."""
    return int(out.numel() * args[0].shape[-1])
