"""Where operations end, in the record of torch's profiler."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Boundaries(TorchDispatchMode):
    """Marks in the profiler's record where each operation has ended: scratch inside kernels is back by then."""

    NAME = "zoometer::boundary"

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # so in torch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        with torch._C._profiler._RecordFunctionFast(self.NAME):
            return out
