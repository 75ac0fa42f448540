"""Automatic mixed precision on the meta device, which torch's autocast leaves alone.

Autocast casts the arguments of listed operators before they run. Which operators are listed for a device is asked of torch
itself; what is done to their arguments is the device's policy, stated here and held against torch by tests. A model that looks
at the state of autocast, or switches it off for a while, does here what it does on the device.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.amp.autocast_mode import autocast


class Policy(enum.Enum):
    """What autocast does to a call of an operator."""

    LOWER = enum.auto()  # casts every argument to the lower precision
    FULL = enum.auto()  # casts every argument to float32
    FULL_RESULT = enum.auto()  # lets the kernel convert: sets its argument `dtype` to float32, unless it is given
    FULL_NORM = enum.auto()  # the same by another overload, which has that argument
    WIDEST = enum.auto()  # casts every argument to the widest dtype among them
    FULL_AND_BACK = enum.auto()  # casts every argument to float32, and the result to the dtype the first one had


@dataclass(frozen=True)
class Autocast:
    """How autocast works on one type of device."""

    device_type: str
    dtype: torch.dtype  # the lower precision
    policies: Mapping[str, Policy]  # by full name of the overload, such as `aten::sum.dim_IntList`


_CUDA_POLICIES = {
    Policy.LOWER: """_convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution
        cudnn_convolution cudnn_convolution_transpose prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm
        baddbmm bmm chain_matmul linalg_multi_dot _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell
        rnn_relu_cell _scaled_dot_product_flash_attention scaled_dot_product_attention _cudnn_rnn""",
    Policy.FULL_RESULT: "prod softmax log_softmax cumprod cumsum linalg_vector_norm linalg_matrix_norm sum",
    Policy.FULL_NORM: "norm",
    Policy.WIDEST: "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add",
}
"""ATen/autocast_mode.h: AT_FORALL_LOWER_PRECISION_FP, _FP32_SET_OPT_DTYPE, _DIFFERENT_REDISPATCH_SIGNATURE and _PROMOTE."""

_CPU_POLICIES = {
    Policy.LOWER: """_convolution conv1d conv2d conv3d bmm mm linalg_vecdot baddbmm addmm _addmm_activation addbmm linear matmul
        conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d prelu scaled_dot_product_attention
        _native_multi_head_attention mkldnn_rnn_layer""",
    Policy.WIDEST: "stack cat index_copy",
}
"""aten/src/ATen/autocast_mode.cpp, TORCH_LIBRARY_IMPL(aten, AutocastCPU, m)."""

_CUDNN_RECURRENT = "lstm gru rnn_tanh rnn_relu"
"""Arrive whole here; on CUDA they become `_cudnn_rnn`, which is listed."""


def _policies(key: str, named: Mapping[Policy, str]) -> dict[str, Policy]:
    """The operators that have an autocast kernel; those of torch that the table does not name are of policy FULL."""
    policy_of = {f"aten::{name}": policy for policy, names in named.items() for name in names.split()}
    listed = torch._C._dispatch_get_registrations_for_dispatch_key(key)
    return {name: policy_of.get(name.partition(".")[0], _policy_of_library(name)) for name in listed}


def _policy_of_library(name: str) -> Policy:
    """torchvision/csrc/ops/autocast/: each of its operators converts both ways."""
    return Policy.FULL_AND_BACK if name.startswith("torchvision::") else Policy.FULL


def cuda_autocast() -> Autocast:
    """`torch.autocast("cuda")`: float16."""
    return _cuda_autocast(_loaded())


def _loaded() -> tuple[int, int]:
    """Changes when a library is loaded, which may bring operators with autocast kernels."""
    return len(sys.modules), len(torch.ops.loaded_libraries)


@functools.lru_cache(maxsize=1)
def _cuda_autocast(loaded: tuple[int, int]) -> Autocast:
    recurrent = [f"aten::{name}.{overload}" for name in _CUDNN_RECURRENT.split() for overload in ("input", "data")]
    policies = _policies("AutocastCUDA", _CUDA_POLICIES) | dict.fromkeys(recurrent, Policy.LOWER)
    return Autocast("cuda", torch.float16, policies)


def cpu_autocast() -> Autocast:
    """`torch.autocast("cpu")`: bfloat16."""
    return Autocast("cpu", torch.bfloat16, _policies("AutocastCPU", _CPU_POLICIES))


Cast = Callable[[Tensor, torch.dtype], Tensor]
"""Casts one argument: what the caller does with a cast (remember those of weights, record it) is its own affair."""


def cast_arguments(autocast: Autocast, policy: Policy, func: Any, arguments: Any, cast: Cast) -> tuple[Any, Any, Any]:
    """The operator that autocast calls in place of one, and its arguments, positional and by keyword."""
    args, kwargs = arguments
    if policy is Policy.FULL_RESULT:
        return func, *_with_dtype(func, args, kwargs)
    if policy is Policy.FULL_NORM:
        dtype = torch.float32 if _is_eligible(args[0]) else args[0].dtype
        overload = {"Scalar": "ScalarOpt_dtype", "ScalarOpt_dim": "ScalarOpt_dim_dtype"}[func._overloadname]
        return getattr(func._overloadpacket, overload), args, {**kwargs, "dtype": dtype}
    if policy is Policy.WIDEST:
        dtype = _widest(arguments, autocast.dtype)
    else:
        dtype = autocast.dtype if policy is Policy.LOWER else torch.float32
    # The last argument first, as compiled code does; the order of casts shows in a trace.
    kwargs = dict(reversed([(name, _cast_all(value, dtype, cast)) for name, value in reversed(kwargs.items())]))
    return func, _cast_all(args, dtype, cast), kwargs


def _is_eligible(value: Any) -> bool:
    """Autocast touches floating-point tensors on its device, except float64; numbers on the CPU are not on its device."""
    is_tensor = isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64
    return is_tensor and (value.is_meta or value.dim() > 0)


def _cast_all(value: Any, dtype: torch.dtype, cast: Cast) -> Any:
    if isinstance(value, Tensor):
        return cast(value, dtype) if value.dtype != dtype and _is_eligible(value) else value
    if isinstance(value, (tuple, list)):
        return type(value)(reversed([_cast_all(item, dtype, cast) for item in reversed(value)]))
    return value


def _widest(value: Any, lower: torch.dtype) -> torch.dtype:
    if isinstance(value, Tensor):
        return torch.float32 if _is_eligible(value) and value.dtype == torch.float32 else lower
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return torch.float32 if any(_widest(item, lower) == torch.float32 for item in items) else lower


def _with_dtype(func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    position = next(i for i, argument in enumerate(func._schema.arguments) if argument.name == "dtype")
    if not _is_eligible(args[0]) or kwargs.get("dtype") is not None:
        return args, kwargs
    if position < len(args):
        given = args[position] if args[position] is not None else torch.float32
        return (*args[:position], given, *args[position + 1 :]), kwargs
    return args, {**kwargs, "dtype": torch.float32}


@dataclass
class AutocastState:
    """Whether autocast is on at a moment, and to what it casts."""

    enabled: bool
    dtype: torch.dtype
    was_consulted: bool = False  # whether the model has asked for it or changed it
    keeps_casts: bool = True  # of parameters for a whole pass, as under torch.no_grad(); torch.inference_mode() casts each time

    def consult(self, field: str) -> Any:
        """What the model is told of it."""
        self.was_consulted = True
        return getattr(self, field)


@contextlib.contextmanager
def meta_stands_for(device_type: str, state: AutocastState) -> Iterator[None]:
    """Lets models on the meta device ask for the state of autocast, and change it, as they would on a type of device.

    Models do so with `x.device.type`, which is "meta" here. torch's own state is of no use: it has none for meta tensors, and
    inside a dispatch mode autocast always looks switched off. Changes torch's functions while the context lasts, so no other
    thread may work with autocast meanwhile.
    """
    kept = {name: getattr(torch, name) for name in _STATE_FUNCTIONS}
    initialise = autocast.__init__
    devices = {"meta", device_type}

    def init(
        self: autocast,
        device_type: str,
        dtype: torch.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        """Leaves out the question whether this machine has such a device."""
        is_ours = device_type in devices
        initialise(self, "cpu", dtype or state.dtype, False, cache_enabled) if is_ours else initialise(
            self, device_type, dtype, enabled, cache_enabled
        )
        self.device = device_type
        if is_ours:
            self._enabled = enabled
            state.was_consulted = True

    emulated: dict[str, Callable[..., Any]] = {
        "is_autocast_enabled": lambda device="cuda": (
            state.consult("enabled") if device in devices else kept["is_autocast_enabled"](device)
        ),
        "get_autocast_dtype": lambda device: state.consult("dtype") if device in devices else kept["get_autocast_dtype"](device),
    }
    for name, field in (("set_autocast_enabled", "enabled"), ("set_autocast_dtype", "dtype")):
        emulated[name] = lambda device, value, name=name, field=field: (
            setattr(state, field, value) if device in devices else kept[name](device, value)
        )
    try:
        for name, function in emulated.items():
            setattr(torch, name, function)
        autocast.__init__ = init  # type: ignore[method-assign]
        yield
    finally:
        for name, function in kept.items():
            setattr(torch, name, function)
        autocast.__init__ = initialise  # type: ignore[method-assign]


_STATE_FUNCTIONS = ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_enabled", "set_autocast_dtype")
