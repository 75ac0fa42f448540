"""What the parts of zoometer hand each other: plain, immutable descriptions that pickle and need no torch.

Words are the field's own: an *architecture* is a constructor in a zoo, *weights* are one trained set of its parameters (with a
tag), an *input* is the shape counted at without its batch, written `3x224x224`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from zoo.errors import InputError


class Status(enum.StrEnum):
    """How far a cost can be trusted."""

    EXACT = "exact"  # every operation was counted or is known to cost nothing
    BOUND = "bound"  # an assumption was made, or an operation could not be counted; `reason` names it
    FAILED = "failed"  # not counted; `reason` says at which stage and why, and every figure is missing, never zero


class Task(enum.StrEnum):
    """What a model is for; models of different tasks are never ranked against each other."""

    CLASSIFICATION = "classification"
    FEATURES = "features"  # a backbone without a classifier: its output is an embedding
    DETECTION = "detection"
    SEGMENTATION = "segmentation"
    VIDEO = "video"
    OPTICAL_FLOW = "optical-flow"


class Variant(enum.StrEnum):
    """The form of the network that is counted."""

    TRAIN = "train"  # as the constructor builds it
    DEPLOY = "deploy"  # re-parameterised for inference
    FEATURES = "features"  # the backbone alone, giving the feature maps of its stages


class CostKey(NamedTuple):
    """Everything that changes what a model costs, apart from the versions of the libraries."""

    zoo: str
    arch: str
    input: str
    classes: int | None  # outputs of the head: 0 where there is none, None where the architecture decides
    variant: str = Variant.TRAIN
    batch: int = 1  # images (or clips, or pairs) in one forward pass; every amount is that of the whole batch


@dataclass(frozen=True, slots=True)
class Weights:
    """One trained set of parameters of an architecture: a row of the `weights` table."""

    zoo: str
    arch: str
    tag: str
    task: str
    dataset: str | None  # what it was trained on last, as far as the zoo says
    classes: int | None
    input: str  # evaluation input of these weights
    file_bytes: int | None = None
    license: str | None = None
    source: str | None = None  # where the weights, or their card, can be found
    recipe: str | None = None  # how they were trained: a paper or a script
    is_default: bool = False

    @property
    def name(self) -> str:
        """`zoo/arch.tag`."""
        return f"{self.zoo}/{self.arch}.{self.tag}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A constructor in a zoo, with its weights; known without building it."""

    zoo: str
    name: str
    task: str
    family: str | None
    input: str  # native input: the evaluation input of the default weights, or the size it is built for
    classes: int | None
    weights: tuple[Weights, ...] = ()
    uncountable: str | None = None  # why this version cannot count it, where that is known beforehand
    note: str | None = None  # what a reader of its figures should know
    fingerprint: str | None = None  # of source and arguments, where no library version says whether they have changed


@dataclass(frozen=True, slots=True)
class Selection:
    """Which architectures of a zoo are meant. Patterns are shell globs on the architecture's name."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()  # empty: every task
    pretrained_only: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One architecture to build and count at some inputs; what a worker is sent."""

    zoo: str
    arch: str
    classes: int | None
    inputs: tuple[str, ...]
    variant: str = Variant.TRAIN
    batch: int = 1
    family: str | None = None  # jobs of one family are best done by one worker, which remembers their operations

    def keys(self) -> tuple[CostKey, ...]:
        """The cost rows this job will produce, one an input."""
        return tuple(CostKey(self.zoo, self.arch, size, self.classes, self.variant, self.batch) for size in self.inputs)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One published result: a row of the `accuracy` table."""

    zoo: str
    arch: str
    tag: str
    dataset: str
    metric: str
    input: str
    value: float  # in the metric's own unit: percent for top1 and mAP, pixels for end-point error
    source: str
    retrieved_at: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class Unjoined:
    """A published result that belongs to nothing the installed zoo has, with the reason."""

    source: str
    name: str
    input: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """What one source of accuracy gave: its rows, those that found no model, and what the reader should be warned of."""

    rows: tuple[Accuracy, ...] = ()
    unjoined: tuple[Unjoined, ...] = ()
    warnings: tuple[str, ...] = ()


INPUT_STAGE = "input"
"""Stage of a failure that is a fact about the architecture, not a fault: it cannot take the input size asked for."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model could not be counted."""

    stage: str  # plan, input, build, run, timeout, memory, worker
    error: str  # the exception's type; empty where the message says it all
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.stage, self.error, self.message) if part)


def is_unfit(status: str, reason: str | None) -> bool:
    """Whether a row failed only because the architecture cannot take its input size."""
    return status == Status.FAILED and (reason or "").startswith(f"{INPUT_STAGE}:")


@dataclass(frozen=True, slots=True)
class Versions:
    """The software whose behaviour a count depends on."""

    library: str
    torch: str
    counter: str


def parse_input(text: str) -> tuple[int, ...]:
    """The shape written as `3x224x224`.

    Raises:
        InputError: if the text is not positive whole numbers joined by `x`.
    """
    parts = text.strip().lower().split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"'{text}' is not an input shape. Write whole numbers joined by x, without the batch: 3x224x224.")
    return tuple(int(part) for part in parts)


def format_input(shape: tuple[int, ...]) -> str:
    """`3x224x224` for (3, 224, 224)."""
    return "x".join(str(size) for size in shape)


def image_input(size: str | int, native: str) -> str:
    """A configured size applied to a model whose native input is `native`.

    `224` makes the last two dimensions square, `384x512` sets height and width, and a shape with as many numbers as the
    native one (`3x224x224`) replaces it.

    Raises:
        InputError: if the size does not fit the shape.
    """
    wanted, shape = parse_input(str(size)), parse_input(native)
    if len(wanted) == len(shape):
        return format_input(wanted)
    if len(wanted) == 1 and len(shape) >= 3:
        return format_input((*shape[:-2], wanted[0], wanted[0]))
    if len(wanted) == 2 and len(shape) >= 3:
        return format_input((*shape[:-2], *wanted))
    raise InputError(f"Input '{size}' does not fit a model that takes {native}.")


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a tensor of this shape."""
    return math.prod(shape)


@dataclass(slots=True)
class RunSummary:
    """What one refresh did: a row of the `runs` table, and what the terminal says at its end."""

    run: str
    planned: int = 0  # cost rows the configuration asks for
    counted: int = 0  # rows counted in this run, failures apart
    failed: int = 0
    unfit: int = 0  # of the failed ones, those at an input size that the architecture cannot take
    added: int = 0  # rows whose key the cache did not have
    changed: int = 0  # rows that replaced one with other figures
    removed: int = 0  # keys of selected zoos that exist no longer
    versions: str = ""
    started_at: str = ""
    seconds: float = 0.0
    interrupted: bool = field(default=False)
