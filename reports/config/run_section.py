"""How models are run: a section of the configuration, and options of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from reports.config.field_types import PositiveInt, Section, Text, Written, one_of
from zoo.errors import did_you_mean
from zoo.run_config import LAYOUTS, PROCESSORS, STATED, Precision, RunConfig, canonical_dtype


def read_precision(what: str, choices: Sequence[Precision]) -> Written:
    """A precision by the name of its dtype or another spelling; the error for another one suggests the nearest."""

    def read(name: object) -> Precision:
        precision = Precision.parse(str(name))
        if precision is None or precision not in choices:
            known = [choice.dtype for choice in choices]
            raise ValueError(f"'{canonical_dtype(str(name))}' is not a {what}.{did_you_mean(canonical_dtype(str(name)), known)}")
        return precision

    spellings = [name for choice in choices for name in choice.spellings]
    return Written(lambda _: {"enum": spellings}, read=read)


Dtype = Annotated[Precision, read_precision("dtype", STATED)]
Layout = Annotated[str, one_of("memory layout", lambda: list(LAYOUTS))]
Processor = Annotated[str, one_of("processor", lambda: list(PROCESSORS))]


class RunSection(Section):
    """How models run on a device whose latency the reports show."""

    device: Text
    """The device, by any of its names: s24, orin nano (zoometer devices)."""
    dtype: Dtype = Precision.FP32
    """Type of weights and activations."""
    batch: PositiveInt = 1
    """Images in a step."""
    layout: Layout = "nchw"
    """Memory layout of images; nhwc: channels last."""
    compiled: bool = False
    """Whether the model is compiled by torch.compile."""
    runtime: str | None = None
    """Runtime of measured and published speeds, or the beginning of its name: tflite. Default: one for all models, what was measured there, torch on GPUs, elsewhere the fastest."""
    processor: Processor | None = None
    """Processor of published speeds. Default: the fastest."""
    threads: PositiveInt | None = None
    """Threads of a CPU. Default: those of the fastest published speed."""

    def run(self) -> RunConfig:
        """The run configuration."""
        stated = (self.threads, self.runtime, self.processor)
        return RunConfig(self.device, self.dtype, self.layout, self.compiled, self.batch, *stated)
