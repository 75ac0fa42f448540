"""How a model is run: on which device, in which precision and memory layout, eager or compiled, at which batch.

A precision has two names: its own, which traces and calibrations carry (`fp16`), and the name of its dtype, which tables of measured
speeds, configurations and reports carry (`float16`). Either is accepted wherever a precision is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from zoo.errors import UnknownNameError, did_you_mean


class Precision(StrEnum):
    """Representation of values while a model runs.

    Attributes:
        dtype: its name in tables of speeds, configurations and reports.
        product_dtype: of the operands of matrix products.
        element_bytes: bytes of an activation for the computation of memory. Under amp, weights are float32 and activations are float16
            where that is safe, so the size of float32 is an upper bound.
    """

    dtype: str
    product_dtype: str
    element_bytes: int

    FP32 = "fp32", "float32", "float32", 4
    AMP = "amp", "amp", "float16", 4  # float32 weights under torch's autocast on CUDA, to float16
    AMP_FAST_NORM = "amp-fast-norm", "amp-fast-norm", "float16", 4  # amp with timm's `--fast-norm`, whose norms run in float16
    FP16 = "fp16", "float16", "float16", 2  # the whole model converted
    BF16 = "bf16", "bfloat16", "bfloat16", 2
    FP8 = "fp8", "float8", "float8", 1
    INT8 = "int8", "int8", "int8", 1
    W8A16 = "w8a16", "w8a16", "int16", 2  # weights of 8 bits, activations of 16

    def __new__(cls, name: str, dtype: str, product_dtype: str, element_bytes: int) -> Self:
        precision = str.__new__(cls, name)
        precision._value_ = name
        precision.dtype, precision.product_dtype, precision.element_bytes = dtype, product_dtype, element_bytes
        return precision

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight: those of an activation, but for `w8a16`."""
        return 1 if self is Precision.W8A16 else self.element_bytes

    @property
    def memory_share(self) -> str:
        """Memory of a model as a fraction of that in float32: `1/4`."""
        weights = f" (weights {self.weight_bytes}/4)" if self.weight_bytes != self.element_bytes else ""
        return f"{self.element_bytes}/4{weights}"

    @property
    def is_autocast(self) -> bool:
        """Whether weights stay float32 and torch casts the operands of each call."""
        return self in (Precision.AMP, Precision.AMP_FAST_NORM)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names by which it can be written, that of its dtype first."""
        return tuple(dict.fromkeys([self.dtype, *(name for name, precision in _BY_SPELLING.items() if precision is self)]))

    @classmethod
    def parse(cls, name: str) -> Precision | None:
        """The precision of this name, dtype or spelling (`fp16`, `float16`, `half`); None if there is none."""
        return _BY_SPELLING.get(name.strip().lower())


_BY_SPELLING = {
    **{spelling: precision for precision in Precision for spelling in (precision.value, precision.dtype)},
    "half": Precision.FP16,
    "w8a8": Precision.INT8,
}

TRACED = (Precision.FP32, Precision.AMP, Precision.AMP_FAST_NORM, Precision.FP16, Precision.BF16)
"""Precisions in which models are traced, and therefore estimated."""

STATED = tuple(precision for precision in Precision if precision is not Precision.AMP_FAST_NORM)
"""Precisions that users can choose; fast norms only occur in timm's measurements."""

RUN_BY_TORCH = (Precision.FP32, Precision.FP16, Precision.BF16, Precision.AMP)
"""Precisions in which torch runs models, which can therefore be measured on this machine."""

PROCESSORS = ("npu", "gpu", "cpu")
"""Processors of a device that can run a model."""

TORCH = "torch"
"""The runtime of estimates from data sheets, and of what is measured on this machine."""

LAYOUTS = ("nchw", "nhwc")
"""Memory layouts of images; nhwc: weights and input in torch.channels_last."""


def canonical_dtype(name: str) -> str:
    """`float16` for `fp16` and `half`; the name of an unknown dtype stays as it is."""
    precision = Precision.parse(name)
    return precision.dtype if precision else name.strip().lower()


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How a model is run. Compiled models are compiled by `torch.compile` with its defaults."""

    device: str = ""  # an id of `zoometer devices`; in measurements torch's name, such as cpu or cuda:1; empty: any
    precision: Precision = Precision.FP32
    layout: str = "nchw"
    compiled: bool = False
    batch: int = 1  # images in a step
    threads: int | None = None  # of a CPU; None: one per core
    runtime: str | None = None  # software that runs the model, such as torch-2.9.1; None: not known, or any
    processor: str | None = None  # one of `PROCESSORS`; None: not known, or any

    @property
    def is_cpu(self) -> bool:
        """Whether torch runs the model on the CPU, so that threads matter."""
        return self.device == "cpu"

    @property
    def is_by_torch(self) -> bool:
        """Whether torch runs the model, as far as a runtime is stated."""
        return self.runtime is None or self.runtime.lower().startswith(TORCH)

    @property
    def is_on_platform(self) -> bool:
        """Whether a processor, a runtime other than torch or a number of threads is requested, which only published speeds have."""
        return bool(self.processor or self.threads or not self.is_by_torch)

    @property
    def execution(self) -> str:
        """`eager` or `compiled`."""
        return "compiled" if self.compiled else "eager"

    @property
    def trace_mode(self) -> str:
        """Precision and layout, on which a trace depends: `amp/nhwc`."""
        return f"{self.precision}/{self.layout}"

    def describe(self) -> str:
        """`float16, batch 8, nhwc, compiled, torch`; of another runtime, which has its own layout, `int8, batch 1, npu, tflite`."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else None
        by_torch = (self.layout, self.execution) if self.is_by_torch or self.layout != LAYOUTS[0] or self.compiled else ()
        stated = [text for text in (self.processor, self.runtime, threads) if text]
        return ", ".join([self.precision.dtype, f"batch {self.batch}", *by_torch, *stated])

    def for_trace(self) -> RunConfig:
        """The configuration with only those fields on which a trace depends."""
        return RunConfig(precision=self.precision, layout=self.layout)

    def for_calibration(self) -> RunConfig:
        """The configuration with only those fields on which a calibration depends."""
        return replace(self.for_trace(), device=self.device, compiled=self.compiled)

    def columns(self) -> dict[str, Any]:
        """The columns of the table `speed` that describe the configuration."""
        return {
            "device": self.device,
            "runtime": self.runtime,
            "dtype": self.precision.dtype,
            "layout": self.layout,
            "compiled": self.compiled,
            "threads": self.threads,
            "batch": self.batch,
        }


def parse_trace_mode(text: str) -> RunConfig:
    """The run configuration of a trace mode written as `amp/nhwc`; `amp` alone means `amp/nchw`.

    Raises:
        UnknownNameError: if there is no such precision or layout.
    """
    name, slash, layout = text.strip().lower().partition("/")
    precision = Precision.parse(name)
    if precision is None or precision not in TRACED:
        raise UnknownNameError(f"'{text}' names no precision.{did_you_mean(name, TRACED)}")
    if slash and layout not in LAYOUTS:
        raise UnknownNameError(f"'{text}' names no layout. Write {name}/nchw or {name}/nhwc.")
    return RunConfig(precision=precision, layout=layout or LAYOUTS[0])
