"""An audit: match the rows, count the models, find the table's convention, judge each row, count more where nothing fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.audit.hypothesis import CountsByKey
from reports.audit.published_table import PublishedRow, group_equal, match_rows
from reports.audit.table_convention import TableConvention, find_table_convention
from reports.audit.verdicts import AuditedRow, Verdict, judge
from zoo.adapters.base import Zoo
from zoo.inputs import parse_input
from zoo.records import Architecture, CostKey, Task, Variant

_COMMON_SIZES = (160, 192, 224, 240, 256, 288, 299, 300, 320, 336, 380, 384, 448, 456, 512)
"""Sizes at which image classifiers are commonly published, in the leaderboards of timm and torchvision."""
_DETECTION = (Task.DETECTION, Task.KEYPOINTS)
_DETECTION_LIMITS = ("proposals=0", "detections=0", "detections=1")
"""What a detector may have been published for instead of its maximum: an empty image, or one object."""
_WITH_HEADS = (Task.CLASSIFICATION, Task.FEATURES)


CountModels = Callable[[Iterable[CostKey]], CountsByKey]
"""Gives every model counted so far, these included as far as they can be counted: `CachedCounter.count_models` and `count_hypotheses`."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A published table with a verdict on every row."""

    title: str
    zoo: str
    convention: TableConvention
    rows: tuple[AuditedRow, ...]

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """The number of rows of each verdict."""
        return {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in Verdict}

    @property
    def causes(self) -> list[tuple[tuple[str, ...], int]]:
        """Sets of causes with the number of rows each explains, the most frequent first; a row counts for each of its sets."""
        return Counter(causes for row in self.rows for causes in row.explanations).most_common()


def audit_table(
    rows: Sequence[PublishedRow],
    *,
    title: str,
    zoo: Zoo,
    architectures: Sequence[Architecture],
    count_models: CountModels,
    count_hypotheses: CountModels,
) -> Audit:
    """Compares a published table with the counts.

    Args:
        rows: of the table.
        title: of the table.
        zoo: whose models the table is about.
        architectures: of the zoo.
        count_models: counts what the rows name.
        count_hypotheses: counts what rows without an explanation may have meant instead.

    Raises:
        ZooError: if a zoo is not installed, or the cache cannot be read or written.
    """
    matched = match_rows(rows, zoo.name, architectures, zoo.aliases())
    by_name = {architecture.name: architecture for architecture in architectures}
    counts = count_models(_published_keys(matched, by_name))
    convention = find_table_convention(matched, counts)
    class_labels = label_classes(architectures)
    groups = [(rows, judge(rows[0], convention, counts, class_labels)) for rows in group_equal(matched)]
    unexplained = [rows[0] for rows, found in groups if found.verdict is Verdict.UNEXPLAINED]
    if unexplained:
        more = {key for row in unexplained for key in _other_keys(row, by_name, counts)}
        counts = count_hypotheses(more)
        groups = [
            (rows, judge(rows[0], convention, counts, class_labels) if found.verdict is Verdict.UNEXPLAINED else found)
            for rows, found in groups
        ]
    audited = [replace(found, published=row) for rows, found in groups for row in rows]
    return Audit(title, zoo.name, convention, tuple(sorted(audited, key=lambda row: row.published.line)))


def _published_keys(rows: Iterable[PublishedRow], by_name: Mapping[str, Architecture]) -> set[CostKey]:
    """The models of a table at its sizes, as built and re-parameterised."""
    keys = {row.key for row in rows if row.key is not None}
    return keys | {key._replace(variant=Variant.DEPLOY) for key in keys if Variant.DEPLOY in by_name[key.arch].variants}


def _other_keys(row: PublishedRow, by_name: Mapping[str, Architecture], counts: CountsByKey) -> Iterator[CostKey]:
    """Other sizes and heads of a row's architecture, and other models with its number of parameters at its size."""
    key = row.key
    assert key is not None
    architecture = by_name[key.arch]
    channels, *image = parse_input(key.input) if key.input.replace("x", "").isdecimal() else (0,)
    is_detector = architecture.task in _DETECTION
    common = [f"{channels}x{size}x{size}" for size in _COMMON_SIZES] if len(image) == 2 and not is_detector else []
    limits = [f"{key.input};{limit}" for limit in _DETECTION_LIMITS] if is_detector else []
    inputs = dict.fromkeys([architecture.input, *(w.input for w in architecture.weights), *common, *limits])
    yield from (key._replace(input=input) for input in inputs if input != key.input)
    yield from (key._replace(classes=n) for n in _class_numbers(architecture, by_name.values()) if n != key.classes)
    if params := row.numbers.get("params"):
        twins = [other for other, counted in counts.items() if params.admits(counted.params) and other.arch != key.arch]
        yield from (other._replace(input=key.input) for other in twins)


def _class_numbers(architecture: Architecture, architectures: Iterable[Architecture]) -> list[int]:
    """Numbers of classes of the zoo's weights for the same task; 0 for a classifier without its head."""
    tasks = _WITH_HEADS if architecture.task in _WITH_HEADS else (architecture.task,)
    return sorted({0} | {w.classes for a in architectures for w in a.weights if w.task in tasks and w.classes is not None})


def label_classes(architectures: Iterable[Architecture]) -> dict[str, str]:
    """The dataset that a number of classes stands for, where all weights agree."""
    datasets: dict[str, set[str]] = {}
    for weights in (w for architecture in architectures for w in architecture.weights):
        if weights.classes and weights.dataset:
            datasets.setdefault(str(weights.classes), set()).add(weights.dataset)
    return {number: min(names) for number, names in datasets.items() if len(names) == 1}
