"""Records a pass with values for a count: operations, memory, and whether the work depends on data.

Data are floating-point inputs, given or random, weights, and everything computed from them. If a model reads such values, to choose a branch
or a size, another input may have another cost. Integers and booleans in the given input, such as lengths and masks of padding, are not
data: the cost holds for them.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.counting.totals import Totals
from zoo.errors import ZooError
from zoo.meta.patching import Patches
from zoo.operators.op_record import OpRecord, storage_of, tensors_in
from zoo.operators.shape_inference import Shortcut
from zoo.recording.memo import CallEntry, Memo, Operator, Storages
from zoo.units import format_bytes

_READERS = frozenset(
    """_local_scalar_dense item is_nonzero nonzero nonzero_numpy _unique _unique2 unique_dim unique_consecutive unique_dim_consecutive
    masked_select equal allclose bincount torchvision::nms to_sparse _to_sparse""".split()
)
"""Operators with a result whose size depends on values, or that is a number."""
_PACKING = "_pack_padded_sequence"  # returns packed data, and batch sizes that depend on the lengths only
_READ_ARGUMENT = {_PACKING: 1, "repeat_interleave": 1, "tensor_split": 1}
"""Operators whose result depends on the values of one argument in this way, with the position of the argument."""


class DataDependence:
    """The storages that hold data, and whether the model has read any.

    Args:
        data: tensors whose values would change with another input or other weights.
        given: those of them whose values the user gave; they must live as long as this object.
    """

    def __init__(self, data: Iterable[Tensor], given: Iterable[Tensor] = ()) -> None:
        self._data: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._given = {storage._cdata for tensor in given if (storage := storage_of(tensor)) is not None}
        self.was_read = False
        for tensor in data:
            self.mark(tensor)

    def mark(self, tensor: Tensor) -> None:
        """Marks a tensor as data."""
        storage = storage_of(tensor)
        if storage is not None:
            self._data[storage._cdata] = weakref.ref(storage)

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor holds data; assumed of a sparse tensor, which has no single storage."""
        storage = storage_of(tensor)
        if storage is None:
            return True
        known = self._data.get(storage._cdata)
        return known is not None and known() is not None

    def read(self, tensors: Iterable[Tensor]) -> None:
        """Notes that the model reads the values of tensors."""
        self.was_read = self.was_read or any(map(self.holds, tensors))

    @contextlib.contextmanager
    def allowing_mask_checks(self) -> Iterator[None]:
        """Does not regard a given attention mask as read when torch checks whether it is causal.

        `nn.Transformer` compares a mask of floating-point numbers with a causal one, and calls attention with the mask or with
        `is_causal`. Both compute all products, whatever the values.
        """
        detect = torch.nn.modules.transformer._detect_is_causal_mask

        def detect_given(mask: Tensor | None, *args: Any, **kwargs: Any) -> bool:
            before = self.was_read
            is_causal = detect(mask, *args, **kwargs)
            storage = None if mask is None else storage_of(mask)
            if storage is not None and storage._cdata in self._given:
                self.was_read = before
            return is_causal

        with Patches({(torch.nn.modules.transformer, detect.__name__): detect_given}).held():
            yield

    @contextlib.contextmanager
    def watching_exports(self) -> Iterator[None]:
        """Notes calls that read values without an operator: `tolist` and `numpy`."""
        originals = {name: getattr(Tensor, name) for name in ("tolist", "numpy", "__array__")}

        def make(name: str) -> Any:
            def export(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
                self.read((tensor,))
                return originals[name](tensor, *args, **kwargs)

            return export

        patches = Patches({(Tensor, name): make(name) for name in originals})
        with patches.held():
            yield


class ValueTotals(Totals):
    """A sink for a pass with values on the CPU, within limits of time and memory."""

    name = "totals with values"
    shortcuts: dict[Any, Shortcut] = {}  # noqa: RUF012  # a shortcut's result holds no values

    def __init__(self, dependence: DataDependence, limits: Limits, *, has_gradients: bool = False) -> None:
        super().__init__(Memo())
        self._dependence, self._limits = dependence, limits
        self.has_gradients = has_gradients

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> tuple[OpRecord, ...]:
        self._dependence.read(_values_read(operator.name, args, kwargs))
        return super().describe(operator, args, kwargs, out, is_fresh)

    def empty(self) -> ValueTotals:
        return ValueTotals(self._dependence, self._limits, has_gradients=self.has_gradients)

    def add(self, entry: CallEntry, module: nn.Module | None, tensors: Sequence[Tensor], out: Any, made: Storages) -> None:
        super().add(entry, module, tensors, out, made)
        if any(map(self._dependence.holds, tensors)):
            is_packing = any(record.operation == _PACKING for record in entry.description)
            for tensor in tensors_in(out[0] if is_packing else out):
                self._dependence.mark(tensor)
        self._limits.check(self.memory.live)


def _values_read(name: str, args: Any, kwargs: Any) -> Iterable[Tensor]:
    """The tensors whose values decide on the size of the result of a call, or on a number."""
    if name in _READERS or (name == "where" and len(args) == 1):  # of a condition alone: the places where it holds
        return tensors_in((args, kwargs))
    if name in _READ_ARGUMENT:
        return tensors_in(args[_READ_ARGUMENT[name] :][:1])
    if name in {"index", "index_put", "_index_put_impl"}:
        return [index for index in tensors_in(args[1]) if index.dtype in {torch.bool, torch.uint8}]
    return ()


class Limits:
    """Limits of time and memory for a pass with values.

    Args:
        seconds: CPU time of this thread from now on, so that the load of the machine changes no result.
        nbytes: bytes of live tensors.
    """

    def __init__(self, seconds: float, nbytes: int) -> None:
        self._seconds, self._nbytes = seconds, nbytes
        self._until = time.thread_time() + seconds

    def check(self, live_bytes: int) -> None:
        """Stops the pass if it exceeds a limit.

        Raises:
            ZooError: if a limit is exceeded.
        """
        if live_bytes > self._nbytes:
            raise ZooError(_TOO_MUCH.format(f"more than {format_bytes(self._nbytes)} of memory"))
        if time.thread_time() > self._until:
            raise ZooError(_TOO_MUCH.format(f"more than {self._seconds:.0f} s"))


_TOO_MUCH = "The model's work depends on data, and running it with random data takes {}: give a smaller input."
