"""Which products of an einsum are summed over.

torch takes an einsum apart into one product after another, from the left. A product over an index of size 1 reaches the device as
an elementwise one, but it is the same operation as with any other size, and counts as a matrix product in every convention.
"""

from __future__ import annotations

from collections.abc import Sequence

Labels = tuple[str, ...]

_PRODUCTS = frozenset({"mul", "bmm"})


def find_products(equation: str, shapes: Sequence[Sequence[int]], operations: Sequence[str]) -> list[int]:
    """Positions of elementwise products that are contractions, among the operations an einsum was taken apart into.

    Args:
        equation: as torch.einsum takes it, with an ellipsis or an implicit output as well.
        shapes: of the operands.
        operations: names of what was done, in order.
    """
    products = [position for position, name in enumerate(operations) if name in _PRODUCTS]
    steps = contractions(equation, shapes)
    if len(products) != len(steps):  # torch took it apart differently
        return []
    return [p for p, is_summed in zip(products, steps, strict=True) if is_summed and operations[p] == "mul"]


def contractions(equation: str, shapes: Sequence[Sequence[int]]) -> list[bool]:
    """For each operand after the first: whether an index that it shares with the product so far is summed when it is multiplied.

    An index is kept while the output or a later operand has it. One that later operands have with size 1 only, to be broadcast,
    is summed as soon as torch can: where both factors have more.
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
    """The labels of each operand and of the output. Dimensions under an ellipsis are called by their place from the right."""
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
