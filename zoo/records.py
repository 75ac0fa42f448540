"""What the parts of zoometer hand each other: plain, immutable descriptions that pickle and need no torch.

Words are the field's own: an *architecture* is a constructor in a zoo, *weights* are one trained set of its parameters (with a
tag), an *input* is the shape counted at without its batch, written `3x224x224` (`parse_tensors` has the whole grammar).
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable, Sequence
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
    DETECTION = "detection"  # boxes, and masks of what is in them
    KEYPOINTS = "keypoints"  # of persons; their boxes are those of persons alone
    SEGMENTATION = "segmentation"
    VIDEO = "video"
    OPTICAL_FLOW = "optical-flow"


class Variant(enum.StrEnum):
    """The form of the network that is counted."""

    BASE = "base"  # as the constructor builds it
    DEPLOY = "deploy"  # re-parameterised for inference
    FEATURES = "features"  # the backbone alone, giving the feature maps of its stages


FORMER_VARIANTS = {"train": Variant.BASE.value}
"""Former names of variants, by which configurations, tables and caches may still give them."""


class CostKey(NamedTuple):
    """Everything that changes what a model costs, apart from the versions of the libraries."""

    zoo: str
    arch: str
    input: str
    classes: int | None  # outputs of the head: 0 where there is none, None where the architecture decides
    variant: str = Variant.BASE
    batch: int = 1  # images (or clips, or pairs) in one forward pass; every amount is that of the whole batch


SPEED_KEY = ("zoo", "arch", "input", "variant", "device", "runtime", "dtype", "layout", "compiled", "threads", "batch")
"""Columns that together name one measured speed: of one model, in one way of running it, on one device."""


class TraceKey(NamedTuple):
    """Everything that changes a trace, apart from the versions of the libraries: a model at an input, and how it runs there."""

    zoo: str
    arch: str
    input: str
    classes: int | None
    variant: str = Variant.BASE
    batch: int = 1  # always: what a trace says scales to any batch
    precision: str = "fp32"
    layout: str = "nchw"

    @property
    def cost_key(self) -> CostKey:
        """What is traced."""
        return CostKey(*self[:6])

    @property
    def mode(self) -> str:
        """`amp/nhwc`."""
        return f"{self.precision}/{self.layout}"

    def __str__(self) -> str:
        return f"{self.zoo}/{self.arch} {self.input} in {self.mode}"


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
        """`zoo/arch.tag`, or `zoo/arch` for weights without a tag."""
        return f"{self.zoo}/{self.arch}" + (f".{self.tag}" if self.tag else "")


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """A model of the user's own, as a configuration declares it. Targets are written `package.module:attribute`."""

    name: str = ""  # empty: all that the registry names
    factory: str | None = None  # what makes it; None where the registry's entry does
    registry: str | None = None  # where names are looked up; a factory beside it is called with the name first
    arguments: str = "{}"  # keyword arguments of the factory, as a JSON object
    inputs: tuple[str, ...] = ()  # at which it is counted, the native one first
    task: str = Task.CLASSIFICATION
    family: str | None = None
    classes: int | None = None  # outputs, as far as the configuration says
    accuracy: tuple[tuple[str, str, float], ...] = ()  # dataset, metric, value at the native input


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
    inputs: tuple[str, ...] = ()  # all native ones, where it has several
    variants: tuple[str, ...] = (Variant.BASE,)  # the forms it has; one that costs what another does is not listed
    declared: DeclaredModel | None = None  # how to build it, where a configuration says so and not an installed zoo


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
    variant: str = Variant.BASE
    batch: int = 1
    family: str | None = None  # jobs of one family are best done by one worker, which remembers their operations
    declared: DeclaredModel | None = None  # a worker knows no configuration: what it says of the model travels along
    traces: tuple[tuple[str, str, str], ...] = ()  # input, precision and layout of each trace to make of the same build

    @property
    def rows(self) -> int:
        """How many rows this job will produce."""
        return len(self.inputs) + len(self.traces)

    def keys(self) -> tuple[CostKey, ...]:
        """The cost rows this job will produce, one an input."""
        return tuple(map(self._cost_key, self.inputs))

    def trace_keys(self) -> tuple[TraceKey, ...]:
        """The traces this job will make."""
        return tuple(TraceKey(*self._cost_key(input), precision, layout) for input, precision, layout in self.traces)

    def row_keys(self) -> list[CostKey | TraceKey]:
        """All rows this job will produce, those of one input together."""
        inputs = list(dict.fromkeys([*self.inputs, *(input for input, _, _ in self.traces)]))
        keys: list[CostKey | TraceKey] = [*self.keys(), *self.trace_keys()]
        return sorted(keys, key=lambda key: inputs.index(key.input))

    def split(self) -> list[Job]:
        """One job for each row."""
        alone = [dataclasses.replace(self, inputs=(input,), traces=()) for input in self.inputs]
        return alone + [dataclasses.replace(self, inputs=(), traces=(trace,)) for trace in self.traces]

    def _cost_key(self, input: str) -> CostKey:
        return CostKey(self.zoo, self.arch, input, self.classes, self.variant, self.batch)


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
    revision: str | None = None  # of the source: a release, or the beginning of a SHA-256 of its content


@dataclass(frozen=True, slots=True)
class PublishedCost:
    """What a zoo states of the cost of one of its weights."""

    arch: str
    tag: str
    input: str
    params: int | None
    gmacs: float | None  # in units of 10**9 MACs, whatever its library calls them
    gmacs_decimals: int  # digits after the point that are meant


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A published result that belongs to nothing the installed zoo has, with the reason."""

    source: str
    name: str
    input: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """What one source of accuracy gave: its rows, those that found no model, and what the reader should be warned of."""

    rows: tuple[Accuracy, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    warnings: tuple[str, ...] = ()


INPUT_STAGE = "input"
"""Stage of a failure that is a fact about the architecture, not a fault: it cannot take the input asked for."""

VARIANT_STAGE = "variant"
"""Likewise: it does not have the form asked for, such as a backbone that gives the feature maps of its stages."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model could not be counted."""

    stage: str  # plan, input, variant, build, run, timeout, memory, worker
    error: str  # the exception's type; empty where the message says it all
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.stage, self.error, self.message) if part)


def is_unfit(status: str, reason: str | None) -> bool:
    """Whether a row failed only because the architecture cannot take its input, or does not have its form."""
    return status == Status.FAILED and (reason or "").startswith((f"{INPUT_STAGE}:", f"{VARIANT_STAGE}:"))


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


DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
"""What a tensor of an input may hold; the first where nothing is said."""

_SCALAR = "scalar"


class TensorInput(NamedTuple):
    """One tensor of an input."""

    shape: tuple[int, ...]  # without the batch
    dtype: str = DTYPES[0]
    name: str | None = None  # of the argument it is passed as; None: by its position

    def __str__(self) -> str:
        shape = format_input(self.shape) or _SCALAR
        return (f"{self.name}=" if self.name else "") + shape + (f":{self.dtype}" if self.dtype != DTYPES[0] else "")


def parse_tensors(text: str) -> tuple[TensorInput, ...]:
    """The tensors of an input: `[name=]shape[:dtype]`, joined by semicolons where a model takes several.

    `3x224x224` is one of float32, `3x224x224;77:int64` two, and `image=3x224x224;tokens=77:int64` the same by name. `scalar`
    is the shape of one number for each element of the batch.

    Raises:
        InputError: if a part is none of this, a dtype is unknown, a name stands twice, or an unnamed tensor follows a named one.
    """
    tensors = tuple(_parse_tensor(part) for part in text.split(";"))
    names = [tensor.name for tensor in tensors]
    given = [name for name in names if name is not None]
    if len(set(given)) < len(given) or None in names[len(names) - len(given) :]:
        raise InputError(f"In '{text}' each name may stand once, and tensors without a name come first.")
    return tensors


def _parse_tensor(text: str) -> TensorInput:
    name, equals, rest = text.strip().rpartition("=")
    shape, colon, dtype = (part.strip() for part in rest.partition(":"))
    if (equals and not name.strip().isidentifier()) or (colon and dtype not in DTYPES):
        raise InputError(
            f"'{text.strip()}' is not a tensor. Write shape, shape:dtype or name=shape:dtype; dtypes: {', '.join(DTYPES)}."
        )
    if equals and shape == "0":  # a named list may be empty: `proposals=0`
        size: tuple[int, ...] = (0,)
    else:
        size = () if shape == _SCALAR else parse_input(shape)
    return TensorInput(size, dtype or DTYPES[0], name.strip() or None)


def format_tensors(tensors: Iterable[TensorInput]) -> str:
    """The one way in which these tensors are written."""
    return ";".join(map(str, tensors))


def image_input(size: str | int, native: str) -> str:
    """A configured size applied to a model whose native input is `native`.

    `224` makes the last two dimensions square, `384x512` sets height and width, and a shape with as many numbers as the
    native one (`3x224x224`) replaces it. Of several tensors, the first with at least three dimensions is the image; the
    others stay as they are. A size of several tensors replaces the whole input.

    Raises:
        InputError: if the size does not fit the shape.
    """
    wanted, tensors = parse_tensors(str(size)), parse_tensors(native)
    if len(wanted) > 1 or wanted[0] != TensorInput(wanted[0].shape):
        return format_tensors(wanted)
    image = _image_of(tensors)
    shape, new = tensors[image].shape, wanted[0].shape
    if len(new) != len(shape):
        if len(new) not in (1, 2) or len(shape) < 3:
            raise InputError(f"Input '{size}' does not fit a model that takes {native}.")
        new = (*shape[:-2], *(new * 2)[:2])
    return _with_shape(tensors, image, new)


def with_channels(input: str, channels: int) -> str:
    """The input with another number of channels: the first dimension of its image."""
    tensors = parse_tensors(input)
    image = _image_of(tensors)
    return _with_shape(tensors, image, (channels, *tensors[image].shape[1:]))


def image_of(input: str) -> TensorInput:
    """The tensor that sizes speak of: the first with at least three dimensions, or the first."""
    tensors = parse_tensors(input)
    return tensors[_image_of(tensors)]


def _image_of(tensors: Sequence[TensorInput]) -> int:
    return next((i for i, tensor in enumerate(tensors) if len(tensor.shape) >= 3), 0)


def _with_shape(tensors: Sequence[TensorInput], position: int, shape: tuple[int, ...]) -> str:
    return format_tensors([t._replace(shape=shape) if i == position else t for i, t in enumerate(tensors)])


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a tensor of this shape."""
    return math.prod(shape)


@dataclass(frozen=True, slots=True)
class TraceFailure:
    """Traces that could not be made, all for one reason."""

    mode: str
    reason: str
    models: tuple[str, ...]  # each with its input: `timm/resnet50 3x224x224`


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
    removed: int = 0  # keys that the run before it of the same configuration planned, and this one did not
    recovered: int = 0  # rows that could not be counted before
    broken: int = 0  # rows that could be counted before, or are new, and cannot be counted now
    failing: int = 0  # planned rows that cannot be counted, by this run or an earlier one, unfit ones apart
    versions: str = ""
    started_at: str = ""
    seconds: float = 0.0
    interrupted: bool = field(default=False)
    traces_planned: int = 0  # traces the configuration asks for
    traced: int = 0  # made in this run
    untraced: int = 0  # tried in this run, and impossible
    trace_failures: list[TraceFailure] = field(default_factory=list)  # of all planned ones, by this run or an earlier one
