"""Nodes of scripts that are not operators on tensors: constants, branches, lists, arithmetic of sizes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from torch import Tensor

Environment = dict[str, Any]
"""Values by their names in a graph."""


def _raise_exception(model: Any, node: Any, args: list[Any], values: Environment) -> Any:
    raise RuntimeError(str(args[0]))


def _set_attribute(model: Any, node: Any, args: list[Any], values: Environment) -> None:
    owner, value = args
    held = owner._buffers if node.s("name") in owner._buffers else owner.__dict__
    held[node.s("name")] = value


def _ignoring_node(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda model, node, args, values: function(*args)


NODES: dict[str, Callable[[Any, Any, list[Any], Environment], Any]] = {
    "prim::Constant": lambda model, node, args, values: model.constant_of(node),
    "prim::GetAttr": lambda model, node, args, values: model.attribute(args[0], node.s("name")),
    "prim::SetAttr": _set_attribute,
    "prim::If": lambda model, node, args, values: model.choose(node, args, values),
    "prim::Loop": lambda model, node, args, values: model.loop(node, args, values),
    "prim::RaiseException": _raise_exception,
    "prim::ListConstruct": lambda model, node, args, values: list(args),
    "prim::TupleConstruct": lambda model, node, args, values: tuple(args),
    "prim::DictConstruct": lambda model, node, args, values: dict(zip(args[::2], args[1::2], strict=True)),
    "prim::ListUnpack": lambda model, node, args, values: args[0][0] if len(args[0]) == 1 else args[0],
    "prim::TupleUnpack": lambda model, node, args, values: args[0][0] if len(args[0]) == 1 else args[0],
    "prim::TupleIndex": _ignoring_node(operator.getitem),
    "prim::NumToTensor": _ignoring_node(lambda number: number),
    "prim::Uninitialized": _ignoring_node(lambda: None),
    "prim::Print": _ignoring_node(lambda *_: None),
    "prim::dtype": _ignoring_node(lambda tensor: tensor.dtype),
    "prim::device": _ignoring_node(lambda tensor: tensor.device),
    "prim::layout": _ignoring_node(lambda tensor: tensor.layout),
    "prim::is_cuda": _ignoring_node(lambda tensor: tensor.is_cuda),
    "prim::data": _ignoring_node(lambda tensor: tensor),
    "prim::min": _ignoring_node(min),
    "prim::max": _ignoring_node(max),
    **dict.fromkeys(["prim::unchecked_cast", "prim::unchecked_unwrap_optional"], _ignoring_node(lambda value: value)),
}

OF_NUMBERS: dict[str, Callable[..., Any]] = {
    "aten::add": lambda a, b, *alpha: a + b, "aten::sub": lambda a, b, *alpha: a - b, "aten::mul": operator.mul, "aten::rsub": lambda a, b, *alpha: b - a, "aten::pow": operator.pow,
    "aten::div": lambda a, b, *mode: a / b if not mode or mode[0] is None else a // b, "aten::floor_divide": operator.floordiv,
    "aten::floordiv": operator.floordiv, "aten::remainder": operator.mod, "aten::neg": operator.neg,
    "aten::eq": operator.eq, "aten::ne": operator.ne, "aten::lt": operator.lt, "aten::le": operator.le, "aten::gt": operator.gt,
    "aten::ge": operator.ge, "aten::detach": lambda a: a, "aten::floor": math.floor, "aten::ceil": math.ceil, "aten::sqrt": math.sqrt,
    "aten::to": lambda a, *_: a, "aten::slice": lambda items, start=None, end=None, step=1: items[start:end:step], "aten::abs": abs,
}  # fmt: skip
"""Functions of numbers, lists and texts, such as sizes in traces."""

PYTHON: dict[str, Callable[..., Any]] = {
    "aten::Int": int, "aten::IntImplicit": int, "aten::Float": float, "aten::FloatImplicit": float, "aten::Bool": bool,
    "aten::ScalarImplicit": lambda value: value.item() if isinstance(value, Tensor) else value,
    "aten::len": len, "aten::__getitem__": operator.getitem, "aten::__contains__": operator.contains, "aten::append": list.append,
    "aten::extend": list.extend, "aten::insert": list.insert, "aten::pop": list.pop, "aten::list": list, "aten::keys": list,
    "aten::values": lambda value: list(value.values()) if isinstance(value, dict) else value.values(),
    "aten::items": lambda value: list(value.items()), "aten::_set_item": operator.setitem, "aten::format": str.format,
    "aten::__is__": operator.is_, "aten::__isnot__": operator.is_not, "aten::__not__": operator.not_, "aten::warn": lambda *_: None,
    "aten::size": lambda tensor, *dim: list(tensor.size()) if not dim else tensor.size(*dim), "aten::dim": lambda tensor: tensor.dim(),
    "aten::__range_length": lambda low, high, step: len(range(low, high, step)),
    "aten::__derive_index": lambda index, start, step: start + index * step,
}  # fmt: skip
