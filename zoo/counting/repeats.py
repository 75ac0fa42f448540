"""Answering the calls of modules that were called before with equal arguments, without running them.

Most of a model is the same block several times over, and most of a zoo the same blocks in many models. A call of a module depends
on its structure (`zoo.counting.structure`) and on what a meta kernel can see of its arguments. The second time such a call is met, it
is recorded what happens in it: which operations, of which modules inside, how far the bytes alive rise, and what comes out.
From then on that happens without the module's code.

A call is only kept if nothing else happened in it: its module is as it was, its arguments are, what it made is dead or in its
result, and what was alive before still is. Modules that somebody changes while the pass is running are run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from zoo.counting.facts import OperationFacts, tensors_in
from zoo.counting.new_tensors import META, fills_its_storage
from zoo.counting.recipes import CONSTANT
from zoo.counting.signature import signature
from zoo.counting.structure import Structures

if TYPE_CHECKING:
    from zoo.counting.recorder import Recorder

_FEWEST_MODULES = 3
"""Inside a module whose calls are kept: for fewer it is no gain."""

_HOOKS = (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks)
_SEEN = object()


class _Result(NamedTuple):
    """One tensor that a call returns: an argument, or a new one that fills its storage."""

    argument: int | None  # which of all tensors among the arguments
    shape: Sequence[int] = ()
    stride: Sequence[int] = ()
    dtype: torch.dtype | None = None
    nbytes: int = 0


class _Place(NamedTuple):
    """Where a module stands in the order of all, and how many there are from it to the last one inside it."""

    structure: int
    start: int
    size: int


class _Kept(NamedTuple):
    """What happens in a call. Modules are named by their place in the order of all inside the called one, itself first."""

    calls: list[tuple[int, tuple[OperationFacts, ...]]]
    rise: int  # of the bytes alive, at most
    riser: int | None  # in which module that is
    sequence: type | None  # of the results; None for a single tensor
    results: list[_Result]


class KeptCalls:
    """Calls met so far, shared by any number of passes."""

    def __init__(self) -> None:
        self.structures = Structures()
        self.known: dict[Any, Any] = {}  # _SEEN once, or kept; None where more happens than can be kept


class Repeats:
    """The calls of one pass.

    Args:
        model: the model of the pass.
        kept: calls met before.
        recorder: where operations go.
    """

    def __init__(self, model: nn.Module, kept: KeptCalls, recorder: Recorder) -> None:
        self._known = kept.known
        self._structures = kept.structures
        self._recorder = recorder
        self._order: list[nn.Module] = []
        self._places: dict[int, _Place] = {}
        self._changed: set[int] = set()  # identities of modules
        self._find_places(model, set())

    def call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[..., Any]) -> Any:
        """The result of a module: known, or what running it gives."""
        place = self._places.get(id(module))
        key = None if place is None else self._key(place, args, kwargs)
        if place is None or key is None:
            return run(module, args, kwargs)
        known = self._known.get(key, self)
        if known is self:
            self._known[key] = _SEEN
        elif known is _SEEN:
            return self._keep(module, place, key, args, kwargs, run)
        elif known is not None:
            return self._repeat(known, place, args, kwargs)
        return run(module, args, kwargs)

    def note_change(self, module: nn.Module) -> None:
        """From now on the module is run, and those around it."""
        self._changed.add(id(module))

    def _find_places(self, module: nn.Module, seen: set[int]) -> int | None:
        """Numbers a module and all inside in registration order, and gives those whose calls may be kept their places.

        A module that is met a second time has no structure: the modules inside it do not follow it in this order.
        """
        if id(module) in seen:
            return None
        seen.add(id(module))
        start = len(self._order)
        self._order.append(module)
        children = module.__dict__["_modules"]
        if not children:
            return self._structures.of(module, ())
        structure = self._structures.of(
            module, tuple([0 if m is None else self._find_places(m, seen) for m in children.values()])
        )
        size = len(self._order) - start
        if structure is not None and size >= _FEWEST_MODULES:
            self._places[id(module)] = _Place(structure, start, size)
        return structure

    def _key(self, place: _Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """All that a call depends on; None if that cannot be told."""
        if any(_HOOKS) or (self._changed and self._has_changed(place)) or not _is_plain((*args, *kwargs.values())):
            return None
        modes = torch.is_autocast_enabled("cuda"), torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()
        key: tuple[Any, ...] = (place.structure, signature(args, kwargs), modes)
        tensors = list(tensors_in((args, kwargs)))
        if len(tensors) > 1:  # some modules ask whether two arguments are the same
            first: dict[int, int] = {}
            key = (*key, *[first.setdefault(id(t), i) for i, t in enumerate(tensors)])
        return key

    def _has_changed(self, place: _Place) -> bool:
        return any(id(module) in self._changed for module in self._inside(place))

    def _inside(self, place: _Place) -> list[nn.Module]:
        """A module and all inside."""
        return self._order[place.start : place.start + place.size]

    def _keep(self, module: nn.Module, place: _Place, key: Any, args: Any, kwargs: Any, run: Callable[..., Any]) -> Any:
        """Runs a module and keeps what happens."""
        calls, memory = self._recorder.calls, self._recorder.memory
        first = len(calls)
        with memory.watched() as watch:
            out = run(module, args, kwargs)
        self._known[key] = None
        results = _results(out, args, kwargs)
        if results is None or self._key(place, args, kwargs) != key or not self._is_as_it_was(place):
            return out
        fresh = {
            t.untyped_storage()._cdata for t, result in zip(tensors_in(out), results, strict=True) if result.argument is None
        }
        if not watch.leaves_only(fresh):
            return out
        numbers = {id(m): i for i, m in enumerate(self._inside(place))}
        numbered = [(numbers.get(id(module)), facts) for module, facts in calls[first:]]
        riser = numbers.get(id(watch.owner))
        if all(number is not None for number, _ in numbered) and (riser is not None or watch.rise == 0):
            sequence = None if isinstance(out, Tensor) else type(out)
            self._known[key] = _Kept(numbered, watch.rise, riser, sequence, results)  # type: ignore[arg-type]
        return out

    def _repeat(self, kept: _Kept, place: _Place, args: Any, kwargs: Any) -> Any:
        """Does what happened before."""
        inside = self._inside(place)
        self._recorder.calls += [(inside[number], facts) for number, facts in kept.calls]
        memory = self._recorder.memory
        memory.rise(kept.rise, None if kept.riser is None else inside[kept.riser])
        outs: list[Any] = []
        for argument, shape, stride, dtype, nbytes in kept.results:
            if argument is not None:
                outs.append(next(t for i, t in enumerate(tensors_in((args, kwargs))) if i == argument))
                continue
            with torch._C._DisableTorchDispatch():
                out = torch.empty_strided(shape, stride, dtype=dtype, device=META)
            memory.add_new(out.untyped_storage(), nbytes, None)
            outs.append(out)
        return outs[0] if kept.sequence is None else kept.sequence(outs)

    def _is_as_it_was(self, place: _Place) -> bool:
        """Whether a module and all inside are the same ones and still have their structure."""
        order: list[nn.Module] = []
        is_same = self._structure(self._order[place.start], order) == place.structure
        return is_same and list(map(id, order)) == list(map(id, self._inside(place)))

    def _structure(self, module: nn.Module, order: list[nn.Module]) -> int | None:
        order.append(module)
        children = module.__dict__["_modules"]
        return self._structures.of(module, tuple([0 if m is None else self._structure(m, order) for m in children.values()]))


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether all that can be told of arguments is in their signature."""
    for value in values:
        kind = value.__class__
        if kind in CONSTANT or (isinstance(value, Tensor) and value.is_meta):
            continue
        if kind not in (list, tuple) or not _is_plain(value):
            return False
    return True


def _results(out: Any, args: Any, kwargs: Any) -> list[_Result] | None:
    """What a call returned, if that can be made again."""
    outs = (out,) if isinstance(out, Tensor) else out
    if type(outs) not in (tuple, list):
        return None
    places = {id(tensor): i for i, tensor in enumerate(tensors_in((args, kwargs)))}
    taken = {tensor.untyped_storage()._cdata for tensor in tensors_in((args, kwargs))}
    results: list[_Result] = []
    for tensor in outs:
        if id(tensor) in places:
            results.append(_Result(places[id(tensor)]))
            continue
        if type(tensor) is not Tensor or not fills_its_storage(tensor) or tensor.untyped_storage()._cdata in taken:
            return None
        taken.add(tensor.untyped_storage()._cdata)
        results.append(_Result(None, tensor.shape, tensor.stride(), tensor.dtype, tensor.untyped_storage().nbytes()))
    return results
