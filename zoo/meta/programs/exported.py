"""Exported programs (`torch.export`) as modules: each node runs in the module of the original model that it came from."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import fx, nn

from zoo.meta.programs.program_parts import ProgramPart, part_at, register


def is_exported(model: Any) -> bool:
    """Whether a module is the graph of an exported program, whose nodes have metadata of their modules."""
    if not isinstance(model, fx.GraphModule):
        return False
    return any("nn_module_stack" in node.meta and isinstance(node.target, torch._ops.OpOverload) for node in model.graph.nodes)


class ExportedModel(nn.Module):
    """An exported program with the modules of the original model.

    Args:
        graph: of the program, as `ExportedProgram.module()` gives it.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self._program = (graph,)  # in a tuple, so that it is not a submodule
        for name, tensor in (*graph.named_parameters(remove_duplicate=False), *graph.named_buffers(remove_duplicate=False)):
            path, _, own = name.rpartition(".")
            register(part_at(self, path, "Module"), own, tensor)
        for node in graph.graph.nodes:
            part_at(self, *_module_of_node(node))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program."""
        graph = self._program[0]
        return _Interpreter(graph, self).run(*args, *kwargs.values())


class _Interpreter(fx.Interpreter):
    """Runs a graph with the weights of an `ExportedModel`, and operators in their modules."""

    def __init__(self, graph: fx.GraphModule, model: ExportedModel) -> None:
        super().__init__(graph)
        self._model = model

    def fetch_attr(self, target: str) -> Any:
        path, _, name = target.rpartition(".")
        with contextlib.suppress(AttributeError):  # there is no such module
            part = self._model.get_submodule(path)
            for held in (part._parameters, part._buffers):
                if name in held:
                    return held[name]
        return super().fetch_attr(target)

    def run_node(self, n: fx.Node) -> Any:
        path, kind = _module_of_node(n)
        if n.op != "call_function" or not path:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        part = part_at(self._model, path, kind)
        assert isinstance(part, ProgramPart)
        return part(n.target, args, kwargs)


def _module_of_node(node: fx.Node) -> tuple[str, str]:
    """Path and class of a node's module; empty for the model itself."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return "", ""
    path, kind = next(reversed(stack.values()))
    name = f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
    return path.replace("L['self']", "").partition("@")[0].strip("."), name
