"""How a model is run while it is measured."""

from __future__ import annotations

from dataclasses import dataclass

DTYPES = ("float32", "float16", "bfloat16", "amp")
"""The whole model converted, or amp: float32 weights under autocast to float16."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running. What is compiled is so by `torch.compile` with its defaults."""

    device: str = "cpu"  # as torch names it: cpu, cuda, cuda:1, mps
    dtype: str = "float32"
    layout: str = "nchw"
    compiled: bool = False
    threads: int | None = None  # of a CPU; None: one a core

    @property
    def is_cpu(self) -> bool:
        """Whether the model runs on the CPU, so that threads matter."""
        return self.device == "cpu"

    def words(self) -> str:
        """`cpu, float32, nchw, eager`."""
        return ", ".join((self.device, self.dtype, self.layout, "compiled" if self.compiled else "eager"))
