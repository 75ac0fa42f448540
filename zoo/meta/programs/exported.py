"""Exported programs (`torch.export`) as modules: run node by node, each under the module that it came from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from zoo.meta.programs.program_parts import ProgramPart, part_at, register


def is_exported(model: Any) -> bool:
    """Whether a module is the graph of an exported program, whose nodes know the modules that they came from."""
    if not isinstance(model, fx.GraphModule):
        return False
    return any("nn_module_stack" in node.meta and isinstance(node.target, torch._ops.OpOverload) for node in model.graph.nodes)


class ExportedModel(nn.Module):
    """An exported program with the modules that its nodes came from.

    Args:
        graph: of the program, as `ExportedProgram.module()` gives it.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self._program = (graph,)  # in a tuple, so that it is no part
        self._places: dict[str, tuple[nn.Module, str]] = {}
        for name, tensor in (*graph.named_parameters(remove_duplicate=False), *graph.named_buffers(remove_duplicate=False)):
            path, _, own = name.rpartition(".")
            part = part_at(self, path, "Module") if path else self
            register(part, own, tensor)
            self._places[name] = part, own
        for node in graph.graph.nodes:
            path, kind = _origin(node)
            if path:
                part_at(self, path, kind)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program."""
        graph = self._program[0]
        return _Interpreter(graph, self).run(*args, *kwargs.values())

    def tensor_named(self, name: str) -> Tensor | None:
        """A weight by its name, as it is now."""
        if name not in self._places:
            return None
        part, own = self._places[name]
        return part._parameters[own] if own in part._parameters else part._buffers[own]


class _Interpreter(fx.Interpreter):
    """Runs a graph with the weights of its model, and operators under their modules."""

    def __init__(self, graph: fx.GraphModule, model: ExportedModel) -> None:
        super().__init__(graph)
        self._model = model

    def fetch_attr(self, target: str) -> Any:
        tensor = self._model.tensor_named(target)
        return super().fetch_attr(target) if tensor is None else tensor

    def run_node(self, n: fx.Node) -> Any:
        path, kind = _origin(n)
        if n.op != "call_function" or not path:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        part = part_at(self._model, path, kind)
        assert isinstance(part, ProgramPart)
        return part(n.target, args, kwargs)


def _origin(node: fx.Node) -> tuple[str, str]:
    """Path and class of the module that a node came from; empty for the model itself."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return "", ""
    path, kind = next(reversed(stack.values()))
    name = f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
    return path.replace("L['self']", "").partition("@")[0].strip("."), name
