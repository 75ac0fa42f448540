"""An audit from beginning to end: read, count, find how the table counts, judge each row, look further where nothing fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reports.audit.figures import Tally
from reports.audit.tables import Row, join
from reports.audit.verdicts import Judged, Manner, Published, Verdict, find_manner, further_keys, judge
from zoo.records import Architecture, CostKey, Task, Variant, parse_input

_SIZES = (160, 192, 224, 240, 256, 288, 299, 300, 320, 336, 380, 384, 448, 456, 512)
"""Sizes that image classifiers are commonly published at, in the leaderboards of timm and torchvision."""


class Counts(Protocol):
    """Where tallies come from; `reports.audit.counts.CachedCounts` is the usual one."""

    def tallies(self, keys: Iterable[CostKey]) -> Mapping[CostKey, Tally]:
        """Everything tallied so far, with these keys as far as they can be counted."""


_DETECTION = (Task.DETECTION, Task.KEYPOINTS)
_WITH_HEADS = (Task.CLASSIFICATION, Task.FEATURES)
_LITTLE_FOUND = ("proposals=0", "detections=0", "detections=1")
"""What a detector may have been published for instead of the most it can find: an image with nothing on it, or one object."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A published table with a verdict on every row."""

    title: str
    zoo: str
    manner: Manner
    rows: tuple[Judged, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def count(self, verdict: Verdict) -> int:
        """Rows with this verdict."""
        return sum(row.verdict is verdict for row in self.rows)

    @property
    def causes(self) -> list[tuple[tuple[str, ...], int]]:
        """Sets of causes and how many rows each explains, the most frequent first; rows with several possible sets count once for each."""
        return Counter(causes for row in self.rows for causes in row.explanations).most_common()


def audit(
    rows: Sequence[Row],
    *,
    title: str,
    zoo: str,
    architectures: Sequence[Architecture],
    aliases: Mapping[str, str],
    counts: Counts,
) -> Audit:
    """Holds the rows of a published table against our counts.

    Args:
        rows: of the table.
        title: what the table is called.
        zoo: whose models it is about.
        architectures: all of that zoo, with their weights.
        aliases: older names, and what they are called now.
        counts: where counts come from.

    Raises:
        ZooError: if the models cannot be counted for want of a zoo or a cache that can be written.
    """
    published = join(rows, zoo, architectures, aliases)
    known = {architecture.name: architecture for architecture in architectures}
    tallies = counts.tallies(_first_keys(published, known))
    manner = find_manner(published, tallies)
    labels = class_labels(architectures)
    judged = [judge(row, manner, tallies, labels) for row in published]
    open_rows = [one.published for one in judged if one.verdict is Verdict.UNEXPLAINED]
    if open_rows:
        tallies = counts.tallies({key for row in open_rows for key in _further(row, known, architectures, tallies)})
        judged = [judge(one.published, manner, tallies, labels) if one.verdict is Verdict.UNEXPLAINED else one for one in judged]
    return Audit(title, zoo, manner, tuple(judged))


def _first_keys(rows: Iterable[Published], known: Mapping[str, Architecture]) -> set[CostKey]:
    """What a table is about at first sight: its models at its sizes, as they train and re-parameterised."""
    keys = {row.key for row in rows if row.key is not None}
    return keys | {key._replace(variant=Variant.DEPLOY) for key in keys if Variant.DEPLOY in known[key.arch].variants}


def _further(
    row: Published, known: Mapping[str, Architecture], architectures: Sequence[Architecture], tallies: Mapping[CostKey, Tally]
) -> Iterator[CostKey]:
    """Other sizes and heads of a row's architecture, and models it may have been mixed up with: as many parameters, its size."""
    assert row.key is not None
    architecture = known[row.key.arch]
    channels, *image = parse_input(row.key.input) if row.key.input.replace("x", "").isdecimal() else (0,)
    is_detector = architecture.task in _DETECTION
    common = [f"{channels}x{size}x{size}" for size in _SIZES] if len(image) == 2 and not is_detector else []
    limits = [f"{row.key.input};{found}" for found in _LITTLE_FOUND] if is_detector else []
    inputs = dict.fromkeys([architecture.input, *(w.input for w in architecture.weights), *common, *limits])
    yield from further_keys(row, inputs, _heads(architecture, architectures))
    if "params" in row.figures:
        twins = [key for key, tally in tallies.items() if row.figures["params"].admits(tally.params) and key.arch != row.key.arch]
        yield from (key._replace(input=row.key.input) for key in twins)


def _heads(architecture: Architecture, architectures: Iterable[Architecture]) -> list[int]:
    """Numbers of classes that weights of the zoo have; a classifier may also stand without its head, or on an embedding."""
    tasks = _WITH_HEADS if architecture.task in _WITH_HEADS else (architecture.task,)
    return sorted({0} | {w.classes for a in architectures for w in a.weights if w.task in tasks and w.classes is not None})


def class_labels(architectures: Iterable[Architecture]) -> dict[str, str]:
    """The dataset that a number of classes stands for, where all weights agree."""
    found: dict[str, set[str]] = {}
    for architecture in architectures:
        for weights in architecture.weights:
            if weights.classes and weights.dataset:
                found.setdefault(str(weights.classes), set()).add(weights.dataset)
    return {number: min(names) for number, names in found.items() if len(names) == 1}
