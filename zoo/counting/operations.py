"""What each operator is: one table, so that no operation can be silently zero.

The recorder sees operators before torch decomposes them (`conv2d`, `linear`, `scaled_dot_product_attention`). An operator is
either *counted* (a formula gives its MACs), *free* of multiply-accumulates (its kind says why), taken apart into operators that
are (composites such as `einsum`), or unknown: then the model's status becomes `bound` and the operator is named.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from zoo.counting import formulas
from zoo.counting.formulas import Formula
from zoo.errors import ZooError


class Kind(enum.StrEnum):
    """Classes of operations. Conventions give weights to these, reports sum by them."""

    CONV = "conv"
    LINEAR = "linear"
    MATMUL = "matmul"
    ATTENTION = "attention"
    RECURRENT = "recurrent"
    NORM = "norm"
    SOFTMAX = "softmax"
    ELEMENTWISE = "elementwise"
    POOL = "pool"
    REDUCE = "reduce"
    RESAMPLE = "resample"
    SORT = "sort"
    COPY = "copy"
    COMPARE = "compare"
    CREATE = "create"
    VIEW = "view"
    UNKNOWN = "unknown"


MATRIX_KINDS = frozenset({Kind.CONV, Kind.LINEAR, Kind.MATMUL, Kind.ATTENTION, Kind.RECURRENT})
"""Kinds whose products the `matmul` convention counts, and whose outputs are `activations`."""

WHY_FREE: dict[Kind, str] = {
    Kind.NORM: "scales and shifts single elements; no sum of products between two operands",
    Kind.SOFTMAX: "exponentials and a sum; no products of two operands",
    Kind.ELEMENTWISE: "works on single elements",
    Kind.POOL: "averages or compares; its weights are constant",
    Kind.REDUCE: "adds or compares elements of one operand",
    Kind.RESAMPLE: "interpolates with constant weights",
    Kind.SORT: "compares elements",
    Kind.COPY: "moves data without arithmetic",
    Kind.COMPARE: "gives truth values or indices",
    Kind.CREATE: "fills a new tensor",
    Kind.VIEW: "gives the same memory another shape",
}
"""Why operations of a kind have no multiply-accumulates in the `matmul` convention."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's kind and, for matrix products, its formula."""

    kind: Kind
    macs: Formula | None = None


def _counted(kind: Kind, formula: Formula, names: str) -> dict[str, Operation]:
    return {name: Operation(kind, formula) for name in names.split()}


def _free(kind: Kind, names: str) -> dict[str, Operation]:
    return {name: Operation(kind) for name in names.split()}


# Names are those of aten's packets without the in-place underscore; other libraries' are `library::name`.
_TABLE: dict[str, Operation] = {
    **_counted(Kind.CONV, formulas.conv_macs, "conv1d conv2d conv3d"),
    **_counted(Kind.CONV, formulas.conv_transpose_macs, "conv_transpose1d conv_transpose2d conv_transpose3d"),
    **_counted(Kind.CONV, formulas.convolution_macs, "convolution _convolution"),
    **_counted(Kind.CONV, formulas.deform_conv_macs, "torchvision::deform_conv2d"),
    **_counted(Kind.LINEAR, formulas.linear_macs, "linear"),
    **_counted(Kind.LINEAR, formulas.bilinear_macs, "bilinear"),
    **_counted(Kind.MATMUL, formulas.matmul_macs, "matmul mm bmm mv dot"),
    **_counted(Kind.MATMUL, formulas.added_matmul_macs, "addmm addmv baddbmm"),
    **_counted(Kind.MATMUL, formulas.summed_matmul_macs, "addbmm"),
    **_counted(Kind.MATMUL, formulas.distance_macs, "cdist _cdist_forward"),
    **_counted(Kind.ATTENTION, formulas.attention_macs, "scaled_dot_product_attention"),
    **_counted(Kind.RECURRENT, formulas.recurrent_macs, "lstm gru rnn_tanh rnn_relu"),
    **_counted(Kind.RECURRENT, formulas.recurrent_cell_macs, "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"),
    **_free(Kind.NORM, """batch_norm native_batch_norm layer_norm native_layer_norm group_norm native_group_norm instance_norm
        rms_norm _fused_rms_norm local_response_norm"""),
    **_free(Kind.SOFTMAX, "softmax _softmax _safe_softmax log_softmax _log_softmax logsumexp"),
    **_free(Kind.ELEMENTWISE, """add sub mul div rsub neg abs pow square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p
        sin cos tan tanh sinh cosh asin acos atan atan2 erf erfc erfinv sigmoid log_sigmoid relu relu6 prelu elu selu celu gelu
        silu mish softplus softsign hardtanh hardswish hardsigmoid leaky_relu threshold rrelu clamp clamp_min clamp_max clip
        maximum minimum fmax fmin lerp addcmul addcdiv floor ceil round trunc frac sign remainder fmod floor_divide
        true_divide hardshrink softshrink glu masked_fill where nan_to_num bitwise_and bitwise_or bitwise_xor bitwise_not
        hypot logit dropout feature_dropout alpha_dropout native_dropout bernoulli cosine_similarity complex polar
        deg2rad logaddexp xlogy"""),
    **_free(Kind.POOL, """avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices
        max_pool3d_with_indices adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d torchvision::roi_align torchvision::roi_pool
        torchvision::ps_roi_align torchvision::ps_roi_pool"""),
    **_free(Kind.REDUCE, """mean sum amax amin max min var std var_mean std_mean prod cumsum cumprod norm linalg_vector_norm
        linalg_norm nansum median argmax argmin any all count_nonzero aminmax"""),
    **_free(Kind.RESAMPLE, """upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d
        upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact1d
        _upsample_nearest_exact2d grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator"""),
    **_free(Kind.SORT, "sort argsort topk unique _unique2 unique_consecutive searchsorted bucketize torchvision::nms"),
    **_free(Kind.COPY, """cat concat stack hstack vstack clone copy contiguous reshape flatten to _to_copy type_as repeat
        repeat_interleave tile roll flip fliplr flipud rot90 pad constant_pad_nd reflection_pad1d reflection_pad2d
        replication_pad1d replication_pad2d index index_select index_put gather scatter scatter_add take take_along_dim
        masked_select masked_scatter embedding im2col col2im unfold_copy pixel_shuffle pixel_unshuffle channel_shuffle
        meshgrid reshape_as tril triu one_hot index_add index_copy index_fill fill zero diag_embed nonzero cartesian_prod
        block_diag float half bfloat16 double item _local_scalar_dense combinations tensor_split slice_scatter
        select_scatter nonzero_numpy bincount alias_copy lift_fresh lift_fresh_copy lift to_dense"""),
    **_free(Kind.COMPARE, """eq ne lt le gt ge logical_and logical_or logical_not logical_xor isnan isinf isfinite equal
        is_nonzero isclose allclose isin _nested_tensor_from_mask_left_aligned _assert_async _assert_scalar _assert_tensor_metadata is_floating_point"""),
    **_free(Kind.CREATE, """arange zeros ones full empty empty_like empty_strided zeros_like ones_like full_like new_zeros
        new_ones new_full new_empty eye linspace logspace scalar_tensor rand randn randint randperm rand_like randn_like
        randint_like normal uniform random tril_indices triu_indices hann_window hamming_window blackman_window
        new_empty_strided _efficientzerotensor trunc_normal exponential"""),
    **_free(Kind.VIEW, """view expand expand_as permute transpose t unsqueeze squeeze select slice split split_with_sizes
        unbind chunk narrow alias detach as_strided diagonal unfold swapaxes swapdims movedim moveaxis unflatten view_as
        view_as_real view_as_complex real imag numpy_T mT mH adjoint unsafe_split unsafe_chunk broadcast_to broadcast_tensors
        _unsafe_view _reshape_alias ravel atleast_1d atleast_2d atleast_3d resolve_conj resolve_neg hsplit vsplit dsplit
        positive sym_size sym_stride sym_numel requires_grad set set_data _shape_as_tensor values indices"""),
}  # fmt: skip

_RENAMED = {"linalg_matmul": "matmul", "multiply": "mul", "divide": "div", "subtract": "sub", "concatenate": "cat"}
_registered: dict[str, Operation] = {}


def operator_name(func: Any) -> str:
    """`conv2d` for aten's overloads of it, `library::name` for other libraries', the in-place underscore removed."""
    library, _, name = func._schema.name.partition("::")
    base = name[:-1] if name.endswith("_") and not name.endswith("__") and func._schema.is_mutable else name
    base = _RENAMED.get(base, base)
    return base if library == "aten" else f"{library}::{base}"


def find_operation(name: str) -> Operation | None:
    """What is known of an operator, or None."""
    return _registered.get(name) or _TABLE.get(name)


def register_formula(name: str, formula: Formula, kind: Kind = Kind.MATMUL) -> None:
    """Gives an operator of a user's library its formula.

    Raises:
        ZooError: if the name is not `library::operator`, or has a formula already.
    """
    if name.count("::") != 1:
        raise ZooError(f"'{name}' does not name an operator. Write library::operator, as in torch.ops.library.operator.")
    if find_operation(name) is not None:
        raise ZooError(f"Operator {name} has a formula already; each is counted in one way only.")
    _registered[name] = Operation(kind, formula)
