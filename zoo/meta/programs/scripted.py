"""Scripted, traced and frozen models as modules: each node of their code runs in the module that it came from.

TorchScript itself runs a model without calling modules that can be followed, but the nodes of its code name their modules.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from zoo.meta.module_stack import all_modules
from zoo.meta.programs.program_parts import part_at, register
from zoo.meta.programs.script_nodes import NODES, OF_NUMBERS, PYTHON, Environment
from zoo.meta.programs.script_origins import Origins, called_modules


class ScriptedModel(nn.Module):
    """A script's model with its modules.

    Args:
        script: made by `torch.jit.script`, `trace`, `freeze` or `load`.
    """

    def __init__(self, script: Any) -> None:
        super().__init__()
        self._script = (script,)  # in a tuple, so that it is not a submodule
        self._scripts: dict[int, Any] = {id(self): script._c}
        for path, part in script.named_modules():
            stand_in = part_at(self, path, _class_path(part))
            self._scripts[id(stand_in)] = part._c
            for name, tensor in part.named_parameters(recurse=False):
                register(stand_in, name, _as_parameter(tensor))
            for name, tensor in part.named_buffers(recurse=False):
                register(stand_in, name, tensor)
        self._graph = _inlined_graph(script)
        self._origins: Origins | None = None
        self._constants: dict[str, str] = {}
        if not any(True for _ in script.parameters()):
            self._register_constants()
        self.is_readable = all(node.kind() in NODES or not node.kind().startswith("prim::") for node in _nodes_in(self._graph))
        """Whether the code can run node by node; otherwise it runs as a whole."""

    def _register_constants(self) -> None:
        """Registers the weights of a frozen script, which are constants, and makes the modules that its nodes name."""
        for node in _nodes_in(self._graph):
            called = called_modules(node)
            part_at(self, ".".join(name for name, _ in called), called[-1][1] if called else "")
            value = _constant_value(node) if node.kind() == "prim::Constant" else None
            if isinstance(value, Tensor) and value.is_floating_point() and value.dim():
                name = node.output().debugName()
                self._constants[name] = re.sub(r"\W", "_", name)
                self._parameters[self._constants[name]] = nn.Parameter(value, requires_grad=False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the script."""
        if not self.is_readable:
            return self._script[0](*args, **kwargs)
        inputs = list(self._graph.inputs())
        names = [value.debugName().partition(".")[0] for value in inputs]
        given = dict(zip(names[1:], args, strict=False)) | kwargs
        defaults = {a.name: a.default_value for a in self._script[0].forward.schema.arguments if a.has_default_value()}
        values: Environment = {inputs[0].debugName(): self}
        for value, name in zip(inputs[1:], names[1:], strict=True):
            values[value.debugName()] = given[name] if name in given else defaults[name]
        self._origins = Origins(self)
        (result,) = self._run_block(self._graph, values)
        return result

    def _run_block(self, block: Any, values: Environment) -> list[Any]:
        for node in block.nodes():
            outputs = [output.debugName() for output in node.outputs()]
            results = self._run_node(node, [values.get(value.debugName()) for value in node.inputs()], values)
            values.update(zip(outputs, (results,) if len(outputs) == 1 else results or (), strict=True))
        return [values[value.debugName()] for value in block.outputs()]

    def _run_node(self, node: Any, args: list[Any], values: Environment) -> Any:
        rule = NODES.get(node.kind())
        if rule is not None:
            return rule(self, node, args, values)
        if node.kind() in PYTHON:
            return PYTHON[node.kind()](*args)
        if node.kind() in OF_NUMBERS and not any(isinstance(value, Tensor) for value in args):
            return OF_NUMBERS[node.kind()](*args)
        function, args, kwargs = _operator_of(node, args)
        assert self._origins is not None
        path = self._origins.path(node, args)
        return self.get_submodule(path)(function, args, kwargs) if path else function(*args, **kwargs)

    def attribute(self, owner: Any, name: str) -> Any:
        """An attribute of a module or of another object of the script."""
        if not isinstance(owner, nn.Module):
            return getattr(owner, name)
        if name == "training":
            return owner.training
        for held in (owner._parameters, owner._buffers, owner._modules):
            if name in held:
                assert self._origins is not None
                self._origins.note_owner(held[name], owner)
                return held[name]
        return self._scripts[id(owner)].getattr(name)

    def choose(self, node: Any, args: list[Any], values: Environment) -> Any:
        """Runs the branch of a condition."""
        results = self._run_block(list(node.blocks())[0 if args[0] else 1], values)
        return results[0] if len(results) == 1 else results

    def loop(self, node: Any, args: list[Any], values: Environment) -> Any:
        """Runs the block of a loop."""
        (block,) = node.blocks()
        count, goes_on, *carried = args
        names = [value.debugName() for value in block.inputs()]
        step = 0
        while step < count and goes_on:
            values.update(zip(names, (step, *carried), strict=True))
            goes_on, *carried = self._run_block(block, values)
            step += 1
        return carried[0] if len(carried) == 1 else carried

    def constant_of(self, node: Any) -> Any:
        """A constant, or the weight registered for it."""
        name = self._constants.get(node.output().debugName())
        return _constant_value(node) if name is None else self._parameters[name]


def _as_parameter(tensor: Tensor) -> nn.Parameter:
    """A parameter of a script as an `nn.Parameter`; in scripts from files it is a plain tensor."""
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)


def _inlined_graph(script: Any) -> Any:
    """The code of a script with all calls inlined. Code without calls is not copied, because a copy loses the names of modules."""
    graph = script._c._get_method("forward").graph
    if any(node.kind() in {"prim::CallMethod", "prim::CallFunction"} for node in _nodes_in(graph)):
        graph = graph.copy()
        torch._C._jit_pass_inline(graph)
    return graph


def _nodes_in(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inside in node.blocks():
            yield from _nodes_in(inside)


def _constant_value(node: Any) -> Any:
    if node.output().type().kind() in {"NoneType", "FunctionType"}:
        return None
    return node.output().toIValue()


def _class_path(part: Any) -> str:
    """Full name of the original class of a script's module."""
    name = part._c._type().qualified_name().removeprefix("__torch__.")
    return ".".join(piece for piece in name.split(".") if not piece.startswith("___torch_mangle"))


def _operator_of(node: Any, args: list[Any]) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """The operator of a node, its positional and its keyword arguments, which are all positional in a script."""
    library, _, name = node.kind().partition("::")
    packet: Callable[..., Any] = getattr(getattr(torch.ops, library), name)
    if not any(isinstance(value, Tensor) for value in pytree.tree_leaves(args)):
        return packet, args, {}
    schema = torch._C.parse_schema(node.schema())
    overload = getattr(packet, schema.overload_name or "default")
    # Sizes are tensors in a trace, and numbers here.
    numbers = [
        torch.tensor(value) if isinstance(value, int | float) and str(argument.type) == "Tensor" else value
        for argument, value in zip(schema.arguments, args, strict=True)
    ]
    pairs = list(zip(schema.arguments, numbers, strict=True))
    return overload, [v for a, v in pairs if not a.kwarg_only], {a.name: v for a, v in pairs if a.kwarg_only}


@contextlib.contextmanager
def scripts_as_modules(model: nn.Module) -> Iterator[None]:
    """Replaces scripts inside a model by modules that run them; not the model itself."""
    swapped = []
    try:
        for module in all_modules(model):
            if isinstance(module, torch.jit.ScriptModule):
                continue
            children = module.__dict__["_modules"]
            for name, child in list(children.items()):
                if isinstance(child, torch.jit.ScriptModule):
                    swapped.append((children, name, child))
                    children[name] = ScriptedModel(child)
        yield
    finally:
        for children, name, child in swapped:
            children[name] = child
