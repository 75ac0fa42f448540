"""Finds the contractions among the products of an einsum.

torch decomposes an einsum into one product after another, from the left. A contraction over an index of size 1 arrives at the device as
an elementwise product, but it is the same operation as with any other size, and is a matrix product in every convention.
"""

from __future__ import annotations

from collections.abc import Sequence

Labels = tuple[str, ...]

_PRODUCTS = frozenset({"mul", "bmm"})


def find_products(equation: str, shapes: Sequence[Sequence[int]], operations: Sequence[str]) -> list[int]:
    """Positions of elementwise products that are contractions, among the operations of a decomposed einsum.

    Args:
        equation: of torch.einsum, which may have an ellipsis or an implicit output.
        shapes: of the operands.
        operations: names of the operations, in order.
    """
    products = [position for position, name in enumerate(operations) if name in _PRODUCTS]
    steps = contractions(equation, shapes)
    if len(products) != len(steps):  # torch has decomposed it differently
        return []
    return [p for p, is_summed in zip(products, steps, strict=True) if is_summed and operations[p] == "mul"]


def contractions(equation: str, shapes: Sequence[Sequence[int]]) -> list[bool]:
    """For each operand after the first: whether its product with the preceding ones sums over a common index.

    An index is not summed while the output or a later operand has it. An index that later operands only have with size 1, to be broadcast,
    is summed as soon as torch can: if both factors have more elements.
    """
    operands, out = parse(equation, list(map(len, shapes)))
    sizes = [dict(zip(labels, shape, strict=True)) for labels, shape in zip(operands, shapes, strict=True)]
    steps = []
    left = sizes[0]
    for position, right in enumerate(sizes[1:], 2):
        later = sizes[position:]
        needed = set(out).union(*later)
        wide = set(out).union(*({label for label, size in operand.items() if size > 1} for operand in later))
        shared = left.keys() & right.keys()
        summed = {n for n in shared if n not in needed or (n not in wide and left[n] > 1 and right[n] > 1)}
        steps.append(bool(summed))
        left = {
            label: max(left.get(label, 1), right.get(label, 1)) if label in wide else 1
            for label in (left.keys() | right.keys()) & needed - summed
        }
    return steps


def parse(equation: str, dims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the output. Dimensions of an ellipsis are named by their position from the right."""
    sides = equation.replace(" ", "").split("->")
    operands = [_labels(term, dim) for term, dim in zip(sides[0].split(","), dims, strict=True)]
    hidden = sorted({label for labels in operands for label in labels if label.isdigit()}, key=int, reverse=True)
    if len(sides) > 1:
        before, dots, after = sides[1].partition("...")
        return operands, (*before, *(hidden if dots else ()), *after)
    counts = [label for labels in operands for label in labels]
    return operands, (*hidden, *sorted(label for label in set(counts) if label not in hidden and counts.count(label) == 1))


def _labels(term: str, dim: int) -> Labels:
    before, dots, after = term.partition("...")
    if not dots:
        return tuple(term)
    hidden = dim - len(before) - len(after)
    return (*before, *(str(place) for place in reversed(range(hidden))), *after)
