"""The table of operators that only compute gradients, by kind of operation.

autograd computes most gradients with operators of `zoo.operators.operator_table`: the gradient of `mm` is two `mm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.operators.macs_formulas import Formula


def convolution_backward_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """(grad, x, weight, bias sizes, stride, padding, dilation, transposed, output padding, groups, output mask).

    Each product of the forward pass occurs once in the gradient of the input and once in that of the weight, if the mask selects them. The
    gradient of the bias is a sum. torch's FlopCounterMode (2.14) multiplies the gradient of the weight by the groups.
    """
    grad, x, weight = args[:3]
    is_transposed, mask = args[7], args[10]
    positions = x.numel() if is_transposed else grad.numel()
    return int(positions * math.prod(weight.shape[1:]) * (bool(mask[0]) + bool(mask[1])))


def attention_backward_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """(grad, q, k, v, …): the gradients of k, v, q and of the scores, twice the products of the forward pass.

    A fused kernel also computes the scores again, which is not part of the gradient: `recomputed_scores_macs`.
    """
    _, q, k, v = args[:4]
    return int(2 * math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1]))


def recomputed_scores_macs(q_shape: Sequence[int], k_shape: Sequence[int]) -> int:
    """Products of the scores in a fused backward kernel, which computes them again: heads * L * S * E."""
    return math.prod(q_shape) * k_shape[-2]


def deformable_backward_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """(grad, x, weight, …): the gradients of the sampled columns and of the weight."""
    grad, _, weight = args[:3]
    return int(2 * grad.numel() * math.prod(weight.shape[1:]))


def linear_backward_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """`linear_backward` (x, grad, weight, mask): the gradients of x and of the weight, if the mask selects them."""
    _, grad, weight, mask = args[:4]
    return int(grad.numel() * weight.shape[-1] * (bool(mask[0]) + bool(mask[1])))


def distance_backward_macs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """`_cdist_backward` (grad, x1, x2, …): for each distance one product for each feature, in the gradient of x1."""
    grad, x1 = args[:2]
    return int(grad.numel() * x1.shape[-1])


BACKWARD_COUNTED: tuple[tuple[str, Formula, str], ...] = (
    ("conv", convolution_backward_macs, "convolution_backward convolution_backward_overrideable"),
    ("conv", deformable_backward_macs, "torchvision::_deform_conv2d_backward"),
    ("linear", linear_backward_macs, "linear_backward"),
    ("matmul", distance_backward_macs, "_cdist_backward _pdist_backward"),
    (
        "attention",
        attention_backward_macs,
        """_scaled_dot_product_flash_attention_backward _scaled_dot_product_flash_attention_for_cpu_backward
        _scaled_dot_product_efficient_attention_backward _scaled_dot_product_cudnn_attention_backward
        _scaled_dot_product_fused_attention_overrideable_backward""",
    ),
)
"""Kind, formula, names."""

BACKWARD_FREE: dict[str, str] = {
    "norm": """native_batch_norm_backward batch_norm_backward batch_norm_backward_elemt batch_norm_backward_reduce
        cudnn_batch_norm_backward miopen_batch_norm_backward native_layer_norm_backward native_group_norm_backward
        _fused_rms_norm_backward _weight_norm_interface_backward""",
    "softmax": "_softmax_backward_data _log_softmax_backward_data _masked_softmax_backward",
    "elementwise": """elu_backward gelu_backward glu_backward hardshrink_backward hardsigmoid_backward hardswish_backward
        hardtanh_backward leaky_relu_backward log_sigmoid_backward logit_backward mish_backward _prelu_kernel_backward
        rrelu_with_noise_backward sigmoid_backward silu_backward softplus_backward softshrink_backward tanh_backward
        threshold_backward native_dropout_backward _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell_backward
        _thnn_fused_lstm_cell_backward_impl mse_loss_backward smooth_l1_loss_backward huber_loss_backward
        soft_margin_loss_backward binary_cross_entropy_backward nll_loss_backward nll_loss2d_backward
        fake_quantize_per_channel_affine_cachemask_backward fake_quantize_per_tensor_affine_cachemask_backward""",
    "pool": """_adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward adaptive_avg_pool3d_backward
        adaptive_max_pool2d_backward adaptive_max_pool3d_backward avg_pool2d_backward avg_pool3d_backward
        fractional_max_pool2d_backward fractional_max_pool3d_backward max_pool2d_backward max_pool2d_with_indices_backward
        max_pool3d_with_indices_backward mkldnn_adaptive_avg_pool2d_backward mkldnn_max_pool2d_backward
        mkldnn_max_pool3d_backward torchvision::_roi_align_backward torchvision::_roi_pool_backward
        torchvision::_ps_roi_align_backward torchvision::_ps_roi_pool_backward""",
    "reduce": """_embedding_bag_backward _embedding_bag_dense_backward _embedding_bag_per_sample_weights_backward
        _segment_reduce_backward""",
    "resample": """upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward upsample_linear1d_backward
        upsample_bilinear2d_backward upsample_bicubic2d_backward upsample_trilinear3d_backward _upsample_bilinear2d_aa_backward
        _upsample_bicubic2d_aa_backward _upsample_lanczos2d_aa_backward _upsample_nearest_exact1d_backward
        _upsample_nearest_exact2d_backward _upsample_nearest_exact3d_backward grid_sampler_2d_backward grid_sampler_3d_backward
        _grid_sampler_2d_cpu_fallback_backward cudnn_grid_sampler_backward""",
    "copy": """embedding_dense_backward select_backward slice_backward diagonal_backward unfold_backward trace_backward
        reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward
        replication_pad2d_backward replication_pad3d_backward _pack_padded_sequence_backward""",
}
"""Names of operators without multiply-accumulates, by kind; `zoo.operators.operator_kinds.WHY_FREE` has the reasons."""
