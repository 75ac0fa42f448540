"""The table of operators of forward passes, by kind of operation.

Names are those of aten's operators without the underscore of in-place ones, and `library::name` for other libraries. An operator in neither
table is decomposed if torch composes it of others; otherwise it makes a cost a bound. A test goes through torch's registry of operators, so
that a matrix product of a new torch is noticed: it must be in this table or in the test's list of uncounted ones.
"""

from __future__ import annotations

from zoo.operators import macs_formulas
from zoo.operators.macs_formulas import Formula

COUNTED: tuple[tuple[str, Formula, str], ...] = (
    (
        "conv",
        macs_formulas.conv_macs,
        """conv1d conv2d conv3d _conv_depthwise2d conv_depthwise3d cudnn_convolution cudnn_convolution_relu
        cudnn_convolution_add_relu miopen_convolution miopen_convolution_relu miopen_convolution_add_relu
        miopen_depthwise_convolution mkldnn_convolution _mps_convolution _nnpack_spatial_convolution _slow_conv2d_forward
        slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d torchvision::deform_conv2d""",
    ),
    (
        "conv",
        macs_formulas.conv_transpose_macs,
        """conv_transpose1d conv_transpose2d conv_transpose3d cudnn_convolution_transpose miopen_convolution_transpose
        _mps_convolution_transpose slow_conv_transpose2d slow_conv_transpose3d""",
    ),
    ("conv", macs_formulas.convolution_macs, "convolution _convolution convolution_overrideable"),
    ("conv", macs_formulas.conv_tbc_macs, "conv_tbc"),
    ("linear", macs_formulas.linear_macs, "linear mkldnn_linear"),
    (
        "linear",
        macs_formulas.matmul_macs,
        """quantized::linear_dynamic quantized::linear_relu_dynamic quantized::linear_dynamic_fp16 quantized::linear_relu_dynamic_fp16
        quantized::linear quantized::linear_relu""",
    ),
    ("linear", macs_formulas.bilinear_macs, "bilinear"),
    (
        "matmul",
        macs_formulas.matmul_macs,
        """matmul mm bmm mv dot vdot _int_mm _scaled_mm _scaled_mm_v2 _mixed_dtypes_linear _weight_int8pack_mm _weight_int4pack_mm
        _weight_int4pack_mm_for_cpu _weight_int4pack_mm_with_scales_and_zeros _dyn_quant_matmul_4bit""",
    ),
    ("matmul", macs_formulas.added_matmul_macs, "addmm addmv baddbmm _addmm_activation"),
    ("matmul", macs_formulas.summed_matmul_macs, "addbmm"),
    ("matmul", macs_formulas.grouped_matmul_macs, "_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2"),
    ("matmul", macs_formulas.each_matmul_macs, "_foreach_mm"),
    ("matmul", macs_formulas.row_products_macs, "linalg_vecdot"),
    ("matmul", macs_formulas.distance_macs, "cdist _cdist_forward _euclidean_dist _pdist_forward"),
    ("matmul", macs_formulas.sparse_matmul_macs, "_sparse_mm _sparse_addmm"),
    ("matmul", macs_formulas.embedding_bag_macs, "_embedding_bag _embedding_bag_forward_only"),
    ("matmul", macs_formulas.affine_grid_macs, "affine_grid_generator cudnn_affine_grid_generator"),
    (
        "attention",
        macs_formulas.attention_macs,
        """scaled_dot_product_attention _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
        _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention _scaled_dot_product_fused_attention_overrideable
        _scaled_dot_product_attention_math_for_mps _triton_scaled_dot_attention flex_attention""",
    ),
    ("attention", macs_formulas.multi_head_attention_macs, "_native_multi_head_attention _triton_multi_head_attention"),
    ("attention", macs_formulas.transformer_layer_macs, "_transformer_encoder_layer_fwd"),
    ("recurrent", macs_formulas.recurrent_macs, "lstm gru rnn_tanh rnn_relu"),
    ("recurrent", macs_formulas.quantized_recurrent_macs(4), "quantized_lstm"),
    ("recurrent", macs_formulas.quantized_recurrent_macs(3), "quantized_gru"),
    ("recurrent", macs_formulas.recurrent_kernel_macs, "_cudnn_rnn miopen_rnn"),
    ("recurrent", macs_formulas.recurrent_cell_macs, "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"),
    ("recurrent", macs_formulas.recurrent_layer_macs, "mkldnn_rnn_layer"),
)
"""Kind, formula, names."""

FREE: dict[str, str] = {
    "norm": """batch_norm native_batch_norm layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm
        _fused_rms_norm _native_batch_norm_legit _native_batch_norm_legit_functional
        _native_batch_norm_legit_no_training _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional
        cudnn_batch_norm miopen_batch_norm batch_norm_elemt batch_norm_stats renorm _weight_norm_interface""",
    "softmax": "softmax _softmax _safe_softmax log_softmax _log_softmax logsumexp _masked_softmax",
    "elementwise": """add sub mul div rsub neg abs pow square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan
        tanh sinh cosh asin acos atan atan2 asinh acosh atanh erf erfc erfinv sigmoid log_sigmoid log_sigmoid_forward relu relu6
        prelu _prelu_kernel elu selu celu gelu silu mish softplus hardtanh hardswish hardsigmoid leaky_relu threshold
        rrelu rrelu_with_noise clamp clamp_min clamp_max clip maximum minimum fmax fmin lerp addcmul addcdiv addr floor ceil round
        trunc frac sign signbit sgn sinc heaviside remainder fmod floor_divide true_divide hardshrink softshrink glu masked_fill
        where nan_to_num bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift __lshift__
        __rshift__ __ilshift__ __irshift__ hypot logit dropout feature_dropout alpha_dropout native_dropout bernoulli
        cosine_similarity complex polar angle conj_physical _conj_physical deg2rad rad2deg logaddexp logaddexp2 xlogy copysign
        nextafter ldexp frexp gcd lcm digamma lgamma mvlgamma polygamma igamma igammac i0 linalg_cross float_power _add_relu
        _masked_scale _fused_dropout _thnn_fused_lstm_cell _thnn_fused_gru_cell _transform_bias_rescale_qkv
        quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize
        fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask special_entr special_erfcx
        special_i0e special_i1 special_i1e special_log_ndtr special_ndtri special_xlog1py special_zeta special_bessel_j0
        special_bessel_j1""",
    "pool": """avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d
        mkldnn_max_pool2d mkldnn_max_pool3d mkldnn_adaptive_avg_pool2d torchvision::roi_align torchvision::roi_pool
        torchvision::ps_roi_align torchvision::ps_roi_pool""",
    "reduce": """mean sum amax amin max min var std var_mean std_mean prod cumsum cumprod cummax cummin logcumsumexp _logcumsumexp
        _cummax_helper _cummin_helper norm native_norm linalg_vector_norm dist nansum median nanmedian mode argmax
        argmin any all count_nonzero aminmax _aminmax trace histc segment_reduce
        mse_loss smooth_l1_loss huber_loss soft_margin_loss binary_cross_entropy binary_cross_entropy_with_logits
        nll_loss_forward nll_loss2d_forward""",
    "resample": """upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d
        upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa
        _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d grid_sampler grid_sampler_2d
        grid_sampler_3d _grid_sampler_2d_cpu_fallback cudnn_grid_sampler""",
    "fourier": "_fft_r2c _fft_c2c _fft_c2r",
    "sort": """sort argsort topk kthvalue _unique _unique2 unique_dim unique_dim_consecutive unique_consecutive searchsorted
        bucketize torchvision::nms""",
    "copy": """cat concat stack _stack _chunk_cat hstack vstack clone _lazy_clone copy contiguous reshape _reshape_copy flatten to
        _to_copy type_as repeat repeat_interleave tile roll flip fliplr flipud rot90 pad constant_pad_nd reflection_pad1d
        reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d index _unsafe_index
        _unsafe_masked_index index_select index_put _unsafe_index_put _index_put_impl _unsafe_masked_index_put_accumulate put
        gather scatter scatter_add scatter_reduce take take_along_dim masked_select masked_scatter embedding embedding_renorm
        im2col col2im max_unpool2d max_unpool3d unfold_copy pixel_shuffle pixel_unshuffle channel_shuffle meshgrid reshape_as tril
        triu one_hot index_add index_copy index_fill index_reduce fill zero diag_embed nonzero nonzero_static cartesian_prod
        block_diag item _local_scalar_dense combinations tensor_split slice_scatter select_scatter
        diagonal_scatter as_strided_scatter nonzero_numpy bincount alias_copy as_strided_copy detach_copy diagonal_copy
        expand_copy narrow_copy permute_copy select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy
        transpose_copy unbind_copy unsqueeze_copy view_copy view_as_real_copy view_as_complex_copy _conj_copy _neg_view_copy
        lift_fresh lift_fresh_copy lift to_dense _to_dense to_sparse _to_sparse _coalesce coalesce _pack_padded_sequence _nested_tensor_from_mask to_padded_tensor
        _nested_from_padded_tensor _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward""",
    "compare": """eq ne lt le gt ge logical_and logical_or logical_not logical_xor isnan isinf isneginf isposinf isfinite equal
        is_nonzero isclose allclose isin is_same_size is_set_to _is_all_true _is_any_true
        _nested_tensor_from_mask_left_aligned _assert_async _assert_scalar _linalg_check_errors _assert_tensor_metadata _functional_assert_async
        _functional_assert_scalar sym_constrain_range sym_constrain_range_for_size is_floating_point _fused_sdp_choice""",
    "create": """arange range zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full eye linspace logspace
        scalar_tensor rand randn randint randperm rand_like randn_like randint_like normal normal_functional uniform random
        multinomial poisson binomial cauchy geometric log_normal tril_indices triu_indices hann_window hamming_window
        blackman_window bartlett_window kaiser_window _efficientzerotensor exponential fft_fftfreq fft_rfftfreq""",
    "allocate": """empty empty_like empty_strided empty_permuted empty_quantized new_empty new_empty_strided resize resize_as
        _resize_output""",
    "view": """view expand expand_as permute transpose t unsqueeze squeeze select slice split split_with_sizes unbind chunk narrow
        alias detach as_strided diagonal unfold swapaxes swapdims movedim moveaxis unflatten view_as view_as_real
        view_as_complex real imag numpy_T mT mH adjoint unsafe_split unsafe_split_with_sizes unsafe_chunk broadcast_to
        broadcast_tensors _unsafe_view _reshape_alias ravel atleast_1d atleast_2d atleast_3d resolve_conj resolve_neg _conj
        _neg_view hsplit vsplit dsplit positive sym_size sym_stride sym_numel requires_grad set set_data _shape_as_tensor values
        indices _values _indices crow_indices col_indices ccol_indices row_indices""",
    "mark": """record_stream profiler::_record_function_enter profiler::_record_function_enter_new profiler::_record_function_exit
        profiler::_call_end_callbacks_on_jit_fut""",
}
"""Names of operators without multiply-accumulates, by kind; `zoo.operators.operator_kinds.WHY_FREE` has the reasons."""

SOMETIMES_MULTIPLYING = frozenset({"_embedding_bag", "_embedding_bag_forward_only"})
"""Operators with a formula that are sums without products if it gives 0."""

OVERWRITING = frozenset({"copy", "fill", "zero"})
"""Operators that fill their first argument without reading it."""
