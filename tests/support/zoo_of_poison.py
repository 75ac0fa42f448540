"""Zoos of small models, some of which do what no model should; `fakes_installed` makes them known.

A poison acts in its forward pass and then computes what the healthy models compute, so that whatever it left behind would show
in its own figures or in those of the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pebble.pool.process
import torch
from torch import Tensor, nn

from zoo.adapters.base import Zoo
from zoo.errors import InputError
from zoo.records import Architecture, CostKey, DeclaredModel, Task

INPUT = "3x8x8"
CHANNELS, SIZE, WIDTH, CLASSES = 3, 8, 4, 10
FAMILY = "one"
FAMILIES = (FAMILY, "other")  # a worker does the models of a family in order


class UnspeakableError(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class UnstoppableError(BaseException):
    """An exception that passes by every handler of exceptions."""


def _raise(error: BaseException) -> Callable[[], None]:
    def act() -> NoReturn:
        raise error

    return act


def _recurse() -> None:
    _recurse()


def _hang() -> NoReturn:
    while True:
        time.sleep(1)


def _hang_deaf() -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        with contextlib.suppress(BaseException):
            _hang()


def _hang_in_c() -> None:
    _leave_a_child()
    re.match(r"(a+)+$", "a" * 64 + "b")  # holds the interpreter lock for longer than anyone lives


def _allocate_tensors() -> NoReturn:
    hoard = []
    while True:
        hoard.append(torch.empty(64_000_000, device="cpu"))


def _allocate_objects() -> NoReturn:
    hoard = []
    while True:
        hoard.append(bytes(256_000_000))


_hoard: list[bytes] = []


def _hoard_objects() -> None:
    while len(_hoard) < 3:
        _hoard.append(bytes(256_000_000))  # that stay


def _print_megabytes() -> None:
    for stream in (sys.stdout, sys.stderr):
        for _ in range(8):
            stream.write("x" * 1_000_000)
        stream.flush()
    os.write(1, b"x" * 1_000_000)
    os.write(2, b"x" * 1_000_000)


def _installed_in() -> Path:
    return Path(str(metadata.distribution("zoos-of-tests").locate_file("")))


def _note_process(pid: int) -> None:
    with (_installed_in() / "pids").open("a", encoding="ascii") as file:
        file.write(f"{pid}\n")


def noted_processes(folder: Path) -> list[int]:
    """The workers that models ran in, and the processes they started, of zoos installed in this folder."""
    file = folder / "pids"
    return [int(line) for line in file.read_text(encoding="ascii").split()] if file.exists() else []


def set_pause(folder: Path, seconds: float) -> None:
    """How long the models of the slow zoo installed in this folder take."""
    (folder / "pause").write_text(str(seconds), encoding="ascii")


def _fork() -> None:
    if child := os.fork():
        _note_process(child)
        return
    os._exit(7)


def _fork_and_return() -> None:
    if child := os.fork():  # the copy goes on as a second worker
        _note_process(child)


def _leave_a_child() -> None:
    if child := os.fork():
        _note_process(child)
        return
    time.sleep(600)
    os._exit(0)


def _leave_a_program() -> None:
    _note_process(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)


def _leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=[600]).start()


def _change_seed() -> None:
    torch.manual_seed(1)
    random.seed(1)


def _change_logging() -> None:
    logging.disable(logging.CRITICAL)
    logging.getLogger().handlers = [logging.StreamHandler(sys.stdout)]


def _close_output() -> None:
    sys.stdout.close()


def _change_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.5)  # ends the process if nobody stops it


def _change_collector() -> None:
    gc.enable()
    gc.set_debug(gc.DEBUG_SAVEALL)


def _change_tracing() -> None:
    sys.settrace(lambda *_: None)


def _change_folder() -> None:
    os.chdir("/")


ACTS: dict[str, Callable[[], Any]] = {
    "raises": _raise(ValueError("odd\nsize")),
    "raises_at_length": _raise(ValueError("long " * 10_000)),
    "raises_unspeakable": _raise(UnspeakableError()),
    "raises_unstoppable": _raise(UnstoppableError("past all")),
    "exits": _raise(SystemExit(0)),
    "interrupts": _raise(KeyboardInterrupt()),
    "recurses": _recurse,
    "hangs": _hang,
    "hangs_deaf": _hang_deaf,
    "hangs_in_c": _hang_in_c,
    "ends_process": lambda: os._exit(3),
    "ends_process_well": lambda: os._exit(0),
    "closes_files": lambda: os.closerange(3, 256),
    "segfaults": lambda: ctypes.string_at(0),
    "is_killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "allocates_tensors": _allocate_tensors,
    "allocates_objects": _allocate_objects,
    "hoards": _hoard_objects,
    "prints": _print_megabytes,
    "forks": _fork,
    "forks_and_returns": _fork_and_return,
    "leaves_a_child": _leave_a_child,
    "leaves_a_program": _leave_a_program,
    "leaves_a_thread": _leave_a_thread,
    "changes_dtype": lambda: torch.set_default_dtype(torch.float64),
    "changes_device": lambda: torch.set_default_device("cpu"),
    "changes_folder": _change_folder,
    "changes_seed": _change_seed,
    "changes_logging": _change_logging,
    "changes_threads": lambda: torch.set_num_threads(2),
    "changes_environment": os.environ.clear,
    "changes_gradients": lambda: torch.set_grad_enabled(False),
    "changes_autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "changes_warnings": lambda: warnings.simplefilter("error"),
    "changes_path": sys.path.clear,
    "changes_signals": _change_signals,
    "changes_collector": _change_collector,
    "changes_recursion": lambda: sys.setrecursionlimit(60),
    "changes_tracing": _change_tracing,
    "closes_output": _close_output,
}
"""What each poison does in its forward pass, in the order in which they are met."""

BUILDS: dict[str, Callable[[], Any]] = {
    "raises_in_build": _raise(LookupError("no such width")),
    "changes_dtype_in_build": lambda: torch.set_default_dtype(torch.float64),
    "changes_device_in_build": lambda: torch.set_default_device("cpu"),
}
"""What others do while they are built."""


def _look_around() -> None:
    """What a healthy model does: it would fail in a process that is not as the first model found it."""
    warnings.warn("a model may warn", stacklevel=1)
    found = {
        "folder": Path.cwd() != Path("/"),
        "environment": bool(os.environ),
        "path": bool(sys.path),
        "seeds": (random.random(), float(torch.rand(1, device="cpu"))) == _first_draws(),
        "threads": threading.active_count() == 2 and torch.get_num_threads() == 1,  # this one, and the watch for the parent's end
        "logging": logging.root.manager.disable == logging.NOTSET and not logging.getLogger().handlers,
        "signals": callable(signal.getsignal(signal.SIGTERM)) and signal.getitimer(signal.ITIMER_REAL)[0] > 1,
        "collector": not gc.isenabled() and not gc.get_debug(),
        "recursion": sys.getrecursionlimit() > 500,
        "tracing": sys.gettrace() is None,
        "autocast": not torch.is_autocast_enabled("cpu"),
    }
    if changed := [what for what, is_as_before in found.items() if not is_as_before]:
        raise RuntimeError(f"changed: {', '.join(changed)}")


@cache
def _first_draws() -> tuple[float, float]:
    return random.Random(0).random(), float(torch.rand(1, device="cpu", generator=torch.Generator("cpu").manual_seed(0)))


def healthy_names() -> list[str]:
    """The models between the poisons: one after each."""
    return [f"healthy_after_{name}" for name in (*ACTS, *BUILDS)]


class Model(nn.Module):
    """A convolution, a linear layer, and an act between them."""

    def __init__(self, classes: int, act: Callable[[], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, WIDTH, 3, padding=1)
        self.head = nn.Linear(WIDTH * SIZE * SIZE, classes)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        self.act()
        x = x + torch.zeros(1, device=x.device)  # of the default type
        result: Tensor = self.head(x.flatten(1))
        return result


class _Zoo(Zoo):
    def version(self) -> str:
        return "1.0"

    def build_options(self, key: CostKey) -> dict[str, Any]:
        return {"classes": key.classes}


def make(name: str) -> nn.Module:
    """A poison, or a healthy model by any other name: the factory of a declared zoo."""
    BUILDS.get(name, lambda: None)()
    return Model(CLASSES, ACTS.get(name, _look_around if name.startswith("healthy") else lambda: None))


def declared() -> tuple[DeclaredModel, ...]:
    """Every poison, each followed by a healthy model, in as many families as workers are to meet them."""
    pairs = zip((*ACTS, *BUILDS), healthy_names(), itertools.cycle(FAMILIES), strict=False)
    return tuple(
        DeclaredModel(name, "zoo_of_poison:make", None, json.dumps({"name": name}), (INPUT,), family=family, classes=CLASSES)
        for *pair, family in pairs
        for name in pair
    )


class FussyZoo(_Zoo):
    """Models that one input is fatal to, and models that end their worker when it is at another's job."""

    name = "fussy"
    acts: ClassVar[dict[str, Callable[[Tensor], Any]]] = {
        "dies_at_16": lambda x: x.shape[-1] == 16 and os._exit(4),
        "refuses_16": lambda x: None,
        "dies_later": lambda x: threading.Timer(0.2, os._exit, [5]).start(),
        "victim": lambda x: time.sleep(1),
        "dies_between": lambda x: setattr(pebble.pool.process, "fetch_task", lambda _: os._exit(6)),
        "survivor": lambda x: None,
    }

    def architectures(self) -> Sequence[Architecture]:
        return [Architecture(self.name, name, Task.CLASSIFICATION, FAMILY, INPUT, CLASSES) for name in self.acts]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        if key.arch == "refuses_16" and key.input == "3x16x16":
            raise InputError("refuses_16 takes no 16")
        return {"classes": key.classes}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        return nn.Sequential(
            _Act(self.acts[arch]), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, options["classes"])
        )


class _Act(nn.Module):
    def __init__(self, act: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        self.act(x)
        return x


class SlowZoo(_Zoo):
    """Healthy models; all but the first few take as many seconds as `set_pause` says."""

    name = "slow"
    size, quick = 12, 4

    def architectures(self) -> Sequence[Architecture]:
        return [Architecture(self.name, f"slow_{i:02d}", Task.CLASSIFICATION, FAMILY, INPUT, i + 1) for i in range(self.size)]

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        return Model(options["classes"], lambda: self._pause(options["classes"]))

    def _pause(self, number: int) -> None:
        _note_process(os.getpid())
        if number > self.quick:
            file = _installed_in() / "pause"
            time.sleep(float(file.read_text(encoding="ascii")) if file.exists() else 0)
