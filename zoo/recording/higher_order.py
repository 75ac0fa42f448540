"""Operators that take functions: `torch.cond`, `flex_attention`, `map`, `scan`, and those of others.

What they call is recorded like any other part of the model. Of a condition the larger branch counts, as its value may be any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch._C import DispatchKey

from zoo.operators.operator_kinds import Kind, Operation
from zoo.recording.memo import Operator

if TYPE_CHECKING:
    from zoo.recording.recorder import Recorder


def run_higher_order(recorder: Recorder, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Runs such an operator, what it calls under the recorder.

    Raises:
        NotImplementedError: if it can only be compiled.
    """
    rule = _RULES.get(func.name())
    if rule is not None:
        return rule(recorder, func, args, kwargs)
    kernel = _eager_kernel(func)
    with recorder:
        return kernel(*args, **kwargs)


def _eager_kernel(func: Any) -> Callable[..., Any]:
    kernel = func.py_kernels.get(DispatchKey.CompositeExplicitAutograd)
    if kernel is None:
        raise NotImplementedError(f"operator {func.name()} runs only in compiled code")
    found: Callable[..., Any] = kernel
    return found


def _run_condition(recorder: Recorder, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """cond(predicate, branch if true, branch if false, operands)."""
    predicate, if_true, if_false, operands = args
    if isinstance(predicate, bool):
        return _run_branch(recorder, if_true if predicate else if_false, operands)
    return _run_largest(recorder, (if_true, if_false), operands)


def _run_switch(recorder: Recorder, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """switch(index, branches, operands)."""
    index, branches, operands = args
    return (
        _run_branch(recorder, branches[index], operands) if isinstance(index, int) else _run_largest(recorder, branches, operands)
    )


def _run_largest(recorder: Recorder, branches: Sequence[Any], operands: Sequence[Any]) -> Any:
    recorder.assumptions["a condition (torch.cond): counted with its larger branch"] = None
    return _run_branch(recorder, max(branches, key=lambda branch: recorder.macs_of(branch, operands)), operands)


def _run_branch(recorder: Recorder, branch: Any, operands: Sequence[Any]) -> Any:
    with recorder:
        return branch(*operands)


def _run_flex_attention(recorder: Recorder, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """flex_attention(q, k, v, change of scores, mask of blocks, scale, options, …): what its mask leaves of the products."""
    q, k, v, _, mask = args[:5]
    results = _eager_kernel(func)(*args, **kwargs)
    out = results[0]
    scores = math.prod(out.shape[:-1]) * k.shape[-2]
    share = _share_of_blocks(mask, q.shape[-2], k.shape[-2])
    if share is None:
        recorder.assumptions["flex_attention: its mask is not known, counted in full"] = None
    macs = round(scores * (1.0 if share is None else share)) * (q.shape[-1] + v.shape[-1])
    operator = Operator(torch.ops.aten.scaled_dot_product_attention.default, None)
    operator.name, operator.operation = "flex_attention", Operation(Kind.ATTENTION, lambda *_: macs)
    recorder.record(operator, (q, k, v), results)
    return results


def _share_of_blocks(mask: Sequence[Any], queries: int, keys: int) -> float | None:
    """The share of blocks of queries and keys that a mask lets be computed; None where it has no data.

    A mask is (both lengths, number of blocks computed in part in each row of blocks, their places, that of whole ones, theirs, …, both
    sizes of a block, function).
    """
    *_, rows, columns, _ = mask
    in_part, whole = mask[2], mask[4]
    if rows >= queries and columns >= keys:
        return 1.0
    if in_part.is_meta:
        return None
    computed = int(in_part.sum()) + (int(whole.sum()) if whole is not None else 0)
    total: int = in_part.numel() * math.ceil(keys / columns)
    return computed / total


_RULES: dict[str, Callable[..., Any]] = {"cond": _run_condition, "switch": _run_switch, "flex_attention": _run_flex_attention}
