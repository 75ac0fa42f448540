"""Why an architecture does not run at an input size: a rule found by trying others, told in a sentence of ours.

What libraries raise is of no use to a reader: mostly a clash of shapes somewhere inside. The rule is looked for among those that
vision models have, and is only told if every size that was tried agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from zoo.inputs import image_tensor, resize_input

Size = tuple[int, int]
"""Height and width."""

_MOST_TRIED = 48
"""Sizes built and run for one architecture; each costs as much as a row."""

_COARSEST = 32
"""Largest step on the way to a least or largest size, which is then narrowed down to one."""

_NEARBY = (-32, -16, -8, -4, 4, 8, 16, 32)
"""How far from the native size others are tried before it is called the only one."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """What every size has to satisfy."""

    text: str
    allows: Callable[[Size], bool]


class _TriedEnoughError(Exception):
    """Ends the search for a rule."""


@dataclass(slots=True)
class InputConstraints:
    """What is known of one architecture's input sizes."""

    native: Sequence[str]  # inputs at which it runs
    runs: Callable[[str], bool]  # tries another
    _tried: dict[Size, bool] = field(default_factory=dict)
    _rules: list[SizeRule] = field(default_factory=list)

    def explain(self, input: str) -> str:
        """What keeps the architecture from running at an input, at which it did not run."""
        made_for = f"it is made for {' and '.join(self.native)}"
        rule = self._broken_rule(_size(input)) if len(image_tensor(self.native[0]).shape) >= 3 else None
        return f"{rule.text}; {made_for}" if rule else f"it does not run at {input}; {made_for}"

    def _broken_rule(self, size: Size) -> SizeRule | None:
        self._tried[size] = False
        for rule in self._rules:
            if not rule.allows(size):
                return rule
        try:
            for rule in self._candidates(size):
                if not rule.allows(size) and self._holds(rule):
                    self._rules.append(rule)
                    return rule
        except _TriedEnoughError:
            pass
        return None

    def _candidates(self, size: Size) -> Iterator[SizeRule]:
        height, width = size
        if height != width and self._try((height, height)) and self._try((width, width)) and not self._try((width, height)):
            yield SizeRule("the input must be square", lambda s: s[0] == s[1])
        for side in dict.fromkeys(size):
            if height == width or not self._try((side, side)):
                yield from self._multiples(side)
                yield from self._bounds(side)

    def _multiples(self, side: int) -> Iterator[SizeRule]:
        """Steps that divide the native size and not this one, at whose nearest multiples the model runs: the smallest first."""
        native = min(_size(self.native[0]))
        for step in range(2, native + 1):
            if native % step or side % step == 0:
                continue
            below = side // step * step
            near = {below, below + step, 2 * native if step == native else native} - {0}
            if all(self._try((size, size)) for size in sorted(near)):
                self._try_all({native + 1, native + step // 2})  # no multiples: if one runs, the rule does not hold
                yield SizeRule(f"the input must be a multiple of {step}", lambda s, step=step: not (s[0] % step or s[1] % step))  # type: ignore[misc]

    def _bounds(self, side: int) -> Iterator[SizeRule]:
        """The least size that runs, the largest, or both."""
        native = min(_size(self.native[0]))
        if side < native:
            least = self._edge(native, side)
            yield SizeRule(f"the input must be at least {least}", lambda s: min(s) >= least)
        else:
            largest = self._edge(native, side)
            yield SizeRule(f"the input must be at most {largest}", lambda s: max(s) <= largest)
        failed = [height for (height, width), ran in self._tried.items() if height == width and not ran]
        least = self._edge(native, max((size for size in failed if size < native), default=1))
        largest = self._edge(native, min((size for size in failed if size > native), default=2 * native))
        if least == largest:
            self._try_all({2 * native, native // 2, *(native + away for away in _NEARBY)})
        what = f"be {native}x{native}" if least == largest else f"lie between {least} and {largest}"
        yield SizeRule(f"the input must {what}", lambda s: min(s) >= least and max(s) <= largest)

    def _edge(self, inside: int, outside: int) -> int:
        """The last size that runs on the way from one that does to one that does not, if there is one such edge."""
        step = max(d for d in range(1, _COARSEST + 1) if inside % d == 0) * (1 if outside > inside else -1)
        while abs(outside - inside) > abs(step) and self._try((inside + step, inside + step)):
            inside += step
        if abs(outside - inside) > abs(step):
            outside = inside + step
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            inside, outside = (middle, outside) if self._try((middle, middle)) else (inside, middle)
        return inside

    def _try_all(self, sides: set[int]) -> None:
        for side in sorted(sides):
            self._try((side, side))

    def _holds(self, rule: SizeRule) -> bool:
        """Whether all that was tried agrees: what ran keeps to the rule, and what did not run breaks this or a known one."""
        rules = [*self._rules, rule]
        return all(rule.allows(size) if ran else any(not r.allows(size) for r in rules) for size, ran in self._tried.items())

    def _try(self, size: Size) -> bool:
        if min(size) <= 0:
            return False
        if size in map(_size, self.native):
            return True
        if size not in self._tried:
            if len(self._tried) >= _MOST_TRIED:
                raise _TriedEnoughError
            self._tried[size] = self.runs(resize_input(f"{size[0]}x{size[1]}", self.native[0]))
        return self._tried[size]


def learn_constraints(native: Sequence[str], runs: Callable[[str], bool]) -> InputConstraints | None:
    """What is to be learnt of an architecture's sizes; None if it does not run at its native input either."""
    return InputConstraints(native, runs) if runs(native[0]) else None


def _size(input: str) -> Size:
    height, width = image_tensor(input).shape[-2:]
    return height, width
