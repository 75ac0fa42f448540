"""How models would be run: the uses that a configuration asks the speed of, and those of its budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from reports.columns.limits import ITEM_BYTES
from reports.config.sections import STRICT, one_of
from zoo.devices.devices import Device
from zoo.measurement.speed_record import PRECISION_OF, canonical_dtype
from zoo.traces import LAYOUTS, Mode

Dtype = Annotated[str, BeforeValidator(lambda name: canonical_dtype(str(name))), one_of("dtype", lambda: list(ITEM_BYTES))]
Layout = Annotated[str, one_of("memory layout", lambda: list(LAYOUTS))]


class UseSection(BaseModel):
    """One way of running models whose speed the reports show."""

    model_config = STRICT

    device: Annotated[str, Field(min_length=1)]  # an id of `zoometer devices`
    dtype: Dtype = "float32"
    batch: Annotated[int, Field(ge=1)] = 1
    layout: Layout = "nchw"
    compiled: bool = False  # by torch.compile

    def of(self, device: Device) -> Use:
        """The same of the device that is named."""
        return Use(device, self.dtype, self.batch, self.layout, self.compiled)


def trace_mode(dtype: str, layout: str) -> Mode | None:
    """The trace that the speed of a use is estimated from; None where its dtype is not estimated."""
    precision = PRECISION_OF.get(dtype)
    return Mode(precision, layout) if precision else None


@dataclass(frozen=True, slots=True)
class Use:
    """A device and how models run on it."""

    device: Device
    dtype: str = "float32"
    batch: int = 1
    layout: str = "nchw"
    compiled: bool = False

    @property
    def way(self) -> str:
        """`float16, batch 8, nhwc, compiled`."""
        return f"{self.dtype}, batch {self.batch}, {self.layout}, {'compiled' if self.compiled else 'eager'}"
