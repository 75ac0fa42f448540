"""Outcomes of calls on channels-last images from those of the same calls on contiguous images, without running them.

Convolution, batch norm and operators that work on single elements give channels-last results where their images are channels last.
All else that is known of such a call, its arithmetic and which memory it uses, does not depend on strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from zoo.tracing.derivation.tensor_types import Strides
from zoo.tracing.ordered_calls import CallLayout

_aten = torch.ops.aten
_ELEMENTWISE = """relu relu_ gelu silu silu_ sigmoid tanh hardswish hardswish_ hardsigmoid hardtanh hardtanh_ leaky_relu leaky_relu_ relu6
    add add_ mul mul_ sub div""".split()
FOLLOW_IMAGES = frozenset({_aten.conv2d, _aten.batch_norm, *[getattr(_aten, name) for name in _ELEMENTWISE]})
"""Operators whose results are channels last where all their images are."""


def restrided(layout: CallLayout, read: Sequence[Strides], made: Sequence[Strides]) -> CallLayout:
    """A call like another one, on tensors of other strides.

    Args:
        layout: of that other one.
        read: strides of the tensors that it reads.
        made: strides of its results.
    """
    inputs, outputs = (
        tuple([(name, shape, new, dtype) for (name, shape, _, dtype), new in zip(tensors, strides, strict=True)])
        for tensors, strides in ((layout.inputs, read), (layout.outputs, made))
    )
    return replace(layout, inputs=inputs, outputs=outputs)
