"""Finds the reason why an architecture does not support an input size, by running it at other sizes.

Exceptions of libraries do not help users: usually shapes do not match somewhere inside a model. The rule is one of those that vision
models usually have, and it is only reported if it agrees with every size that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from zoo.inputs import image_tensor, resize_input

Size = tuple[int, int]
"""Height and width."""

_MAX_TRIED = 48
"""Largest number of sizes at which one architecture is built and run; each takes as long as counting a row."""

_COARSEST = 32
"""Largest step of the search for a minimum or maximum size, which is then bisected."""

_NEARBY = (-32, -16, -8, -4, 4, 8, 16, 32)
"""Distances from the native size that are tried before it is reported as the only supported size."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """A condition on input sizes."""

    text: str
    allows: Callable[[Size], bool]


class _SearchLimitError(Exception):
    """The search for a rule has tried too many sizes."""


@dataclass(slots=True)
class InputConstraints:
    """Input sizes at which one architecture was run, and the rules that follow from them."""

    native: Sequence[str]  # inputs, at which it runs
    runs: Callable[[str], bool]  # whether it runs at another input
    _tried: dict[Size, bool] = field(default_factory=dict)
    _rules: list[SizeRule] = field(default_factory=list)

    def explain(self, input: str) -> str:
        """The reason why the architecture does not run at an input at which it failed."""
        made_for = f"it is made for {' and '.join(self.native)}"
        rule = self._broken_rule(_size_of(input)) if len(image_tensor(self.native[0]).shape) >= 3 else None
        return f"{rule.text}; {made_for}" if rule else f"it does not run at {input}; {made_for}"

    def _broken_rule(self, size: Size) -> SizeRule | None:
        self._tried[size] = False
        for rule in self._rules:
            if not rule.allows(size):
                return rule
        try:
            for rule in self._candidates(size):
                if not rule.allows(size) and self._is_consistent(rule):
                    self._rules.append(rule)
                    return rule
        except _SearchLimitError:
            pass
        return None

    def _candidates(self, size: Size) -> Iterator[SizeRule]:
        height, width = size
        if height != width and self._runs_at(height) and self._runs_at(width) and not self._runs_at(width, height):
            yield SizeRule("the input must be square", lambda s: s[0] == s[1])
        for side in dict.fromkeys(size):
            if height == width or not self._runs_at(side):
                yield from self._multiples(side)
                yield from self._bounds(side)

    def _multiples(self, side: int) -> Iterator[SizeRule]:
        """Rules of multiples, the smallest step first: steps that divide the native size but not this one, whose nearest multiples run."""
        native = min(_size_of(self.native[0]))
        for step in range(2, native + 1):
            if native % step or side % step == 0:
                continue
            below = side // step * step
            near = {below, below + step, 2 * native if step == native else native} - {0}
            if all(self._runs_at(size) for size in sorted(near)):
                self._try_squares({native + 1, native + step // 2})  # not multiples: if one runs, the rule is wrong
                yield SizeRule(f"the input must be a multiple of {step}", lambda s, step=step: not (s[0] % step or s[1] % step))  # type: ignore[misc]

    def _bounds(self, side: int) -> Iterator[SizeRule]:
        """A minimum size, a maximum, or both."""
        native = min(_size_of(self.native[0]))
        if side < native:
            least = self._find_last_size(native, side)
            yield SizeRule(f"the input must be at least {least}", lambda s: min(s) >= least)
        else:
            largest = self._find_last_size(native, side)
            yield SizeRule(f"the input must be at most {largest}", lambda s: max(s) <= largest)
        failed = [height for (height, width), ran in self._tried.items() if height == width and not ran]
        least = self._find_last_size(native, max((size for size in failed if size < native), default=1))
        largest = self._find_last_size(native, min((size for size in failed if size > native), default=2 * native))
        if least == largest:
            self._try_squares({2 * native, native // 2, *(native + away for away in _NEARBY)})
        what = f"be {native}x{native}" if least == largest else f"lie between {least} and {largest}"
        yield SizeRule(f"the input must {what}", lambda s: min(s) >= least and max(s) <= largest)

    def _find_last_size(self, inside: int, outside: int) -> int:
        """The last size that runs between one that does and one that does not, by bisection."""
        step = max(d for d in range(1, _COARSEST + 1) if inside % d == 0) * (1 if outside > inside else -1)
        while abs(outside - inside) > abs(step) and self._runs_at(inside + step):
            inside += step
        if abs(outside - inside) > abs(step):
            outside = inside + step
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            inside, outside = (middle, outside) if self._runs_at(middle) else (inside, middle)
        return inside

    def _try_squares(self, sides: set[int]) -> None:
        for side in sorted(sides):
            self._runs_at(side)

    def _is_consistent(self, rule: SizeRule) -> bool:
        """Whether all tried sizes agree: those that ran satisfy the rule, and the others violate it or a known rule."""
        rules = [*self._rules, rule]
        return all(rule.allows(size) if ran else any(not r.allows(size) for r in rules) for size, ran in self._tried.items())

    def _runs_at(self, height: int, width: int | None = None) -> bool:
        """Whether the architecture runs at a size; without a width, at a square."""
        size = (height, width or height)
        if min(size) <= 0:
            return False
        if size in map(_size_of, self.native):
            return True
        if size not in self._tried:
            if len(self._tried) >= _MAX_TRIED:
                raise _SearchLimitError
            self._tried[size] = self.runs(resize_input(f"{size[0]}x{size[1]}", self.native[0]))
        return self._tried[size]


def learn_constraints(native: Sequence[str], runs: Callable[[str], bool]) -> InputConstraints | None:
    """The constraints of an architecture, without rules yet; None if it does not run at its native input either."""
    return InputConstraints(native, runs) if runs(native[0]) else None


def _size_of(input: str) -> Size:
    height, width = image_tensor(input).shape[-2:]
    return height, width
