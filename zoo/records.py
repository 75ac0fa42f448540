"""Immutable records that the packages of zoometer exchange. They can be pickled and need no torch.

An *architecture* is a constructor in a zoo, *weights* are one trained set of its parameters, with a tag, and an *input* is a shape
without the batch, written `3x224x224`; `zoo.inputs` has the whole grammar.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any, NamedTuple


class Status(enum.StrEnum):
    """Reliability of a cost."""

    EXACT = "exact"  # every operation was counted or is free
    BOUND = "bound"  # an assumption was made, or an operation was not counted; `reason` names it
    FAILED = "failed"  # not counted: all figures are missing, and `reason` has the stage and the cause


def full_operator_name(name: str) -> str:
    """An operator's full name with its library, as torch writes it; tables of operations omit `aten`."""
    return name if "::" in name else f"aten::{name}"


class Task(enum.StrEnum):
    """Task of a model. Models of different tasks are not ranked together."""

    CLASSIFICATION = "classification"
    FEATURES = "features"  # an embedding, without a classifier
    DETECTION = "detection"  # boxes, with or without masks
    ORIENTED_DETECTION = "oriented-detection"  # boxes with an angle
    KEYPOINTS = "keypoints"  # of persons, with or without their boxes
    SEGMENTATION = "segmentation"
    DEPTH = "depth"  # of each pixel, from one image
    ZERO_SHOT = "zero-shot"  # embeddings of images and texts that are compared: any label set without training
    VIDEO = "video"
    OPTICAL_FLOW = "optical-flow"
    OTHER = "other"  # what fits none of these; not ranked by an accuracy


class Variant(enum.StrEnum):
    """Form of the network."""

    BASE = "base"  # as the constructor builds it
    DEPLOY = "deploy"  # re-parameterised for inference
    FEATURES = "features"  # only the backbone, which returns the feature maps of its stages


FORMER_VARIANTS = {"train": Variant.BASE.value}
"""Former names of variants, which configurations, tables and caches may still contain."""


class CostKey(NamedTuple):
    """Everything that determines the cost of a model, except versions of libraries."""

    zoo: str
    arch: str
    input: str
    classes: int | None  # outputs of the head; 0: it has none; None: as the architecture has
    variant: str = Variant.BASE
    batch: int = 1  # images, clips or pairs per forward pass; amounts are totals over the batch

    @property
    def cost_key(self) -> CostKey:
        """This key; `TraceKey` has the same property."""
        return self


MODEL_COLUMNS = ["zoo", "arch", "input", "variant"]
"""Columns that together name a model whose time is measured or estimated."""

SPEED_KEY = (*MODEL_COLUMNS, "device", "runtime", "dtype", "layout", "compiled", "threads", "batch")
"""Columns that together name one measured speed: of one model, in one run configuration, on one device."""


class TraceKey(NamedTuple):
    """Everything that determines a trace, except versions of libraries: a model at an input, and how it runs."""

    zoo: str
    arch: str
    input: str
    classes: int | None
    variant: str = Variant.BASE
    batch: int = 1  # always: a trace scales to any batch
    precision: str = "fp32"
    layout: str = "nchw"

    @property
    def cost_key(self) -> CostKey:
        """The key of the traced model."""
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
    dataset: str | None  # of the last training, if the zoo states it
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
    """A user's model, as a configuration declares it. Targets are written `package.module:attribute`."""

    name: str = ""  # empty: all names of the registry
    factory: str | None = None  # creates it; None: the registry's entry does
    registry: str | None = None  # where names are looked up (`zoo.adapters.sources`); a factory beside it gets the name first
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
    uncountable: str | None = None  # why this version cannot count it, if that is known in advance
    note: str | None = None  # what a reader of its figures should know
    fingerprint: str | None = None  # of source and arguments, if no library version covers them
    inputs: tuple[str, ...] = ()  # all native ones, where it has several
    variants: tuple[str, ...] = (Variant.BASE,)  # of its variants, those with different costs
    declared: DeclaredModel | None = None  # how to build it, if a configuration declares it


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of architectures of a zoo. Patterns are shell globs on the architecture's name."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()  # empty: every task
    pretrained_only: bool = False


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
    """The cost that a zoo states for one of its weights."""

    arch: str
    tag: str
    input: str
    params: int | None
    gmacs: float | None  # in units of 10**9 MACs, whatever its library calls them
    decimals: int  # significant digits after the point of gmacs or gflops
    gflops: float | None = None  # in units of 10**9 FLOPs, two for each MAC, where these are published instead
    params_step: int = 1  # what the number of parameters is rounded to


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A published result without matching weights in the installed zoo, with the reason."""

    source: str
    name: str
    input: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """The results of one source: those with matching weights, those without, and warnings for the user."""

    rows: tuple[Accuracy, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the software that a count depends on."""

    library: str
    torch: str
    counter: str


def as_row(record: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, without converting their values."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
