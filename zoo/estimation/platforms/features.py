"""The features of a model: a fixed vector of sums over its calls, from which every platform estimates its time.

    features_of(workloads, ["arch"])      # one row a model, the columns are `FEATURES`

Amounts are numbers of multiply-accumulates, elements and calls for one image, so one vector serves every precision; a platform
says what a unit of each costs. Workloads are those of float32 models in channels first (`TRACED`).

| features | of |
|---|---|
| macs | everything |
| macs_pointwise, macs_winograd, macs_spatial, macs_depthwise, macs_grouped, macs_linear, macs_product, macs_attention | convolutions of one position; those of 3 x 3 without a stride, as Winograd's transformed tiles need them; other dense ones; with as many groups as channels; with other groups; linear layers; products of activations; fused attention |
| macs_grouped_padding, macs_product_padded | what grouped convolutions need more, and products of activations need in all, where channels fill tiles of 32 |
| weights, weights_conv, weights_linear | elements of weights of matrix work; of convolutions; of linear layers of more than a few positions |
| matrix_in, matrix_out, winograd_moves | elements that matrix work reads and writes; that Winograd's transformations do |
| norm, softmax, gates, gelu, sums, standalone_bn, copy, cat, pool, index, resample | elements written by layer norms; softmax, scores of fused attention included; sigmoid, SiLU and their kind; GELU; additions and products by elements; batch norms beyond those that follow a convolution; copies and transpositions; concatenations; pooling; gathering and rolling; resampling |
| matrix_calls, other_calls, linear_calls, attention_calls, norm_calls, gemv_calls | calls of matrix work; of other work, but for batch norms and simple activations, which runtimes join with convolutions; linear layers; attention and softmax; layer norms; matrix work of a few positions, as in squeeze-and-excitation |
| recurrent_macs, recurrent_steps | of recurrent layers |
| unknown_calls | calls without a cost on any platform |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array, tile_padding
from zoo.estimation.terms.calls import Calls
from zoo.run_config import Precision, RunConfig

TRACED = RunConfig(precision=Precision.FP32, layout="nchw")
"""Run configuration of the traces from which features are computed."""

USED = """work operation calls macs m n k kernel groups group_width bytes_in free_bytes elements_out products steps""".split()
"""The columns of workloads that features are computed from."""

_ITEM_BYTES = 4
_TILE, _ROW_TILE = 32, 8
_FEW = 4
"""Largest number of positions for which matrix work is a matrix-vector product."""
_FOLDED = 1.02
"""Batch norms follow convolutions: elements that they write beyond this factor of those of matrix work belong to standalone ones."""
_WINOGRAD = ((6, 64), (4, 36), (2, 16))
"""Positions along a side that a tile of Winograd's F(n x n, 3 x 3) gives, and the products it takes for a pair of channels."""

_GATES = ("silu", "hardswish", "sigmoid", "hardsigmoid", "exp", "tanh")
_SUMS = ("add", "sub", "addcmul", "mul", "div")
_OTHERS = ("norm", "softmax", "reduce", "pool", "resample", "copy", "cat")
_ATTENTION = ("attention", "masked_attention")
_MATRIX = ("conv", "stem", "grouped", "depthwise", "linear", "product", "recurrent", *_ATTENTION)


def features_of(workloads: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """The features of each model, under an index of its own by `key`, in the order of its first row; rounded to float32.

    Args:
        workloads: rows of `zoo.estimation.workloads.workload.summarise` of traces like `TRACED`, with the columns of `key`.
        key: columns that together name a model.
    """
    keys = list(key)
    model = workloads.groupby(keys, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    calls = workloads["calls"].to_numpy(float)
    rows = _amounts(Calls(workloads))
    count = int(model.max()) + 1 if len(model) else 0
    sums = {name: np.bincount(model, values * calls, count) for name, values in rows.items()}
    beyond = sums.pop("batch_norm") - _FOLDED * sums["matrix_out"]
    sums["standalone_bn"] = np.maximum(beyond, 0)
    names = workloads[keys].drop_duplicates(ignore_index=True)
    index = pd.MultiIndex.from_frame(names) if len(keys) > 1 else pd.Index(names[keys[0]])
    return pd.DataFrame(sums, index=index)[list(FEATURES)].astype(np.float32).astype(np.float64)


def _amounts(calls: Calls) -> dict[str, Array]:
    """Amounts of one call of each row."""
    matrix, out, read = calls.is_work(*_MATRIX), calls["elements_out"], calls["bytes_in"] / _ITEM_BYTES
    weights, m = calls["free_bytes"] / _ITEM_BYTES, calls["m"]
    linear, attention = calls.is_work("linear"), calls.is_work(*_ATTENTION)
    scores = m * calls["n"] * calls["products"] * attention
    return {
        **_macs(calls),
        "weights": weights * matrix,
        "weights_conv": weights * calls.is_work("conv", "stem", "grouped", "depthwise"),
        "weights_linear": weights * (linear & (m > 2 * _FEW)),
        "matrix_in": read * matrix,
        "matrix_out": out * matrix,
        "norm": out * calls.is_work("norm"),
        "softmax": out * calls.is_work("softmax") + scores,
        "gates": out * calls.is_operation(*_GATES),
        "gelu": out * calls.is_operation("gelu"),
        "sums": out * calls.is_operation(*_SUMS),
        "batch_norm": out * calls.is_work("batch_norm"),
        "copy": out * calls.is_work("copy"),
        "cat": out * calls.is_work("cat"),
        "pool": out * calls.is_work("pool"),
        "index": out * calls.is_operation("index", "roll"),
        "resample": out * calls.is_work("resample"),
        "matrix_calls": matrix.astype(float),
        "other_calls": (calls.is_work(*_OTHERS) | calls.is_operation(*_SUMS, *_GATES, "gelu")).astype(float),
        "linear_calls": (linear & (m > 2 * _FEW)).astype(float),
        "attention_calls": calls.is_work("softmax", *_ATTENTION).astype(float),
        "norm_calls": calls.is_work("norm").astype(float),
        "gemv_calls": (calls.is_work("conv", "linear") & (m <= _FEW)).astype(float),
        "recurrent_steps": calls["steps"] * calls.is_work("recurrent"),
        "unknown_calls": calls.is_work("unknown", "fourier", "sort").astype(float),
    }


def _macs(calls: Calls) -> dict[str, Array]:
    """Multiply-accumulates by the form of the work."""
    macs, m, n, k, kernel, width = (calls[name] for name in ("macs", "m", "n", "k", "kernel", "group_width"))
    flat = ~calls.is_operation("conv3d")
    positions = calls["bytes_in"] / _ITEM_BYTES / np.maximum(width * calls["groups"], 1)
    winograd = calls.is_work("conv") & flat & (kernel == 9) & (positions <= 2 * m)
    side, least = np.sqrt(m), np.maximum(m, 1)
    tiles = np.min([np.ceil(side / tile) ** 2 * products for tile, products in _WINOGRAD], axis=0)
    grouped, product = calls.is_work("grouped"), calls.is_work("product")
    return {
        "macs": macs,
        "macs_pointwise": macs * (calls.is_work("conv") & flat & (kernel == 1)),
        "macs_winograd": np.where(winograd, macs / 9 * tiles / least, 0.0),
        "winograd_moves": np.where(winograd, (width + n) * least, 0.0),
        "macs_spatial": macs * (calls.is_work("conv", "stem") & ~winograd & ((kernel > 1) | ~flat | calls.is_work("stem"))),
        "macs_depthwise": macs * calls.is_work("depthwise"),
        "macs_grouped": macs * grouped,
        "macs_grouped_padding": macs * (tile_padding(width, _TILE) * tile_padding(n, _TILE) - 1) * grouped,
        "macs_linear": macs * calls.is_work("linear"),
        "macs_product": macs * product,
        "macs_product_padded": macs * tile_padding(n, _TILE) * tile_padding(k, _TILE) * tile_padding(m, _ROW_TILE) * product,
        "macs_attention": macs * calls.is_work(*_ATTENTION),
        "recurrent_macs": macs * calls.is_work("recurrent"),
    }


FEATURES: tuple[str, ...] = (
    "macs", "macs_pointwise", "macs_winograd", "macs_spatial", "macs_depthwise", "macs_grouped", "macs_grouped_padding",
    "macs_linear", "macs_product", "macs_product_padded", "macs_attention", "recurrent_macs",
    "weights", "weights_conv", "weights_linear", "matrix_in", "matrix_out", "winograd_moves",
    "norm", "softmax", "gates", "gelu", "sums", "standalone_bn", "copy", "cat", "pool", "index", "resample",
    "matrix_calls", "other_calls", "linear_calls", "attention_calls", "norm_calls", "gemv_calls", "recurrent_steps", "unknown_calls",
)  # fmt: skip
"""The vector of a model."""
