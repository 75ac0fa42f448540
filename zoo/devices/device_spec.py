"""The figures of a data sheet that estimates use, with measured rates of matrix units."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from zoo.devices.device import Device
from zoo.devices.kinds import GPU_KINDS
from zoo.documents.yaml_document import load_own_yaml
from zoo.errors import SpeedError
from zoo.units import FLOPS_PER_S, WATTS, parse_quantity

_PEAKS = {
    "float16": ("fp16_tensor_fp32_acc", "fp16_tensor", "fp16_tensor_fp16_acc", "fp16_vector"),
    "bfloat16": ("bf16_tensor_fp32_acc", "bf16_tensor", "bf16_vector"),
    "float32": ("fp32_vector",),
    "tf32": ("tf32_tensor_fp32_acc", "tf32_tensor", "fp32_vector"),
}
"""Peaks for a dtype in order of preference. torch accumulates in float32."""

_HALF_RATE = 0.75  # threshold between half and full rate


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """The figures of a device that an estimate uses."""

    is_gpu: bool
    vector_flops_per_s: float  # float32 on vector units
    matrix_flops_per_s: float  # sustained rate of products in the requested dtype
    conv_flops_per_s: float  # of convolutions in that dtype; on GPUs torch computes those of float32 in TF32
    bytes_per_s: float
    cache_bytes: float  # 0: unknown
    memory_bytes: float | None


def device_spec(device: Device, dtype: str) -> DeviceSpec:
    """The figures for products in a dtype (float32, float16 or bfloat16).

    Raises:
        SpeedError: if a figure is unknown.
    """
    is_gpu = device.kind in GPU_KINDS
    peak = _peak_flops_per_s(device, dtype)
    conv = _peak_flops_per_s(device, "tf32") if is_gpu and dtype == "float32" else peak
    share = sustained_share(device) if is_gpu else 1.0
    vector = _peak_flops_per_s(device, "float32")
    if peak is None or conv is None or vector is None:
        raise SpeedError(f"the peak rate of {device.id} in {dtype if vector is not None else 'float32'} is not known")
    if device.memory_bandwidth_bytes_per_s is None:
        raise SpeedError(f"the memory bandwidth of {device.id} is not known")
    return DeviceSpec(
        is_gpu=is_gpu,
        vector_flops_per_s=vector,
        matrix_flops_per_s=peak if dtype == "float32" else share * peak,
        conv_flops_per_s=conv if conv == vector else share * conv,
        bytes_per_s=device.memory_bandwidth_bytes_per_s.value,
        cache_bytes=device.cache_bytes.value if device.cache_bytes else 0.0,
        memory_bytes=device.memory_bytes.value if device.memory_bytes else None,
    )


def sustained_share(device: Device) -> float:
    """Sustained rate of a GPU's matrix units, as a fraction of their stated peak in 16 bits (measurements: `sustained.yaml`)."""
    known, peak = _read_sustained_rates(), _peak_flops_per_s(device, "float16")
    if peak is not None and device.id in known["cards"]:
        return parse_quantity(known["cards"][device.id]["rate"], FLOPS_PER_S) / peak
    otherwise = known["otherwise"]
    if _is_half_rate(device):
        return float(otherwise["half_rate"])
    watts_per_unit = device.power_w.value / device.compute_units.value if device.power_w and device.compute_units else math.inf
    is_little = device.kind != "embedded-gpu" and watts_per_unit <= parse_quantity(otherwise["little_power"], WATTS)
    return float(otherwise["full_rate_at_little_power" if is_little else "full_rate"])


def _is_half_rate(device: Device) -> bool:
    """Whether matrix units accumulate 16-bit products in 32 bits at half the rate of accumulation in 16 bits."""
    fast, exact = (device.peak_per_s.get(f"fp16_tensor_fp{bits}_acc") for bits in (16, 32))
    return fast is not None and exact is not None and exact.value < _HALF_RATE * fast.value


@functools.cache
def _read_sustained_rates() -> Any:
    return load_own_yaml(resources.files("zoo.devices").joinpath("sustained.yaml").read_text(encoding="utf-8"))


def _peak_flops_per_s(device: Device, dtype: str) -> float | None:
    return next((device.peak_per_s[name].value for name in _PEAKS[dtype] if name in device.peak_per_s), None)
