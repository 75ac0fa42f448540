"""Mutations of texts, and runs of the command under a limit of processor time. All is decided by a seed.

A case passes if the command ends by itself within `LIMIT_S`, with a documented exit code, without a traceback, and with a message
that fits a screen.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner

from reports import cli
from reports.cli.common.errors import ExitCode

LIMIT_S = 5.0
"""Of processor time, which a busy machine does not lengthen."""

_LONGEST_MESSAGE = 12_000  # characters
_LONGEST_LINE = 1_500

WORDS = (
    "", "0", "-1", "1", "224", "1e999", "-.inf", ".nan", "~", "null", "true", "no", "9" * 25, "9" * 400, "9" * 5_000, "0x1F", "1_0", "12:30:45",
    "2020-13-45", "2020-01-01", "!!int abc", "!!float abc", "!!bool abc", "!!timestamp abc", "!!binary abc", "!!set {a, b}", "!!python/none x",
    "~nosuchuser/x", "~", "/", "//", ".", "..", "/dev/null", "/dev/zero", "/proc/self/mem", "loop", "file", "file/inside", "folder", "x" * 300,
    "x/" * 3_000, "memory://a", "nowhere://a", "file:///dev/null", "://", '"a\\0b"', '"\\x1b[31m"', '"\\u202e"', "a\u2028b", "é", "🙂", "<script>",
    "'", '"', "*", "[", "]", "{}", "[]", "[[[[1]]]]", "{a: {b: {c: 1}}}", "&a [*a]", "*a", "&a 1", "<<: *a", "? x", "- - -", "|", ">", "%", "@", "#",
    "3x224x224", "0x0", "1x", "3x224x224;77:int64", "a=1;a=2", "6M", "10ms", "80%", "1e5GB", "5 apples", "-5M", "9" * 63 + "TB", "1.5.2", "٣",
    "timm", "torchvision", "mine", "resnet*", "native", "default", "base", "deploy", "fp16", "amp-fast-norm/nhwc", "rtx-4090", "t4", "galaxy s24",
    "x" * 100_000, "a " * 50_000, "a\\n" * 5_000,
)  # fmt: skip
"""What stands where something else belongs: wrong types, sizes, encodings, paths and addresses, none of them on a network."""


def mutate(text: str, rng: random.Random, words: Sequence[str] = WORDS) -> str:
    """The text after one to four mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        text = rng.choice(_MUTATIONS)(text, rng, words)
    return text


def _replace_word(text: str, rng: random.Random, words: Sequence[str]) -> str:
    start, end = _word(text, rng)
    return text[:start] + rng.choice(words) + text[end:]


def _insert_word(text: str, rng: random.Random, words: Sequence[str]) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(words) + text[at:]


def _remove_slice(text: str, rng: random.Random, _: Sequence[str]) -> str:
    start = rng.randint(0, len(text))
    return text[:start] + text[start + rng.randint(1, 30) :]


def _truncate(text: str, rng: random.Random, _: Sequence[str]) -> str:
    return text[: rng.randint(0, len(text))]


def _change_character(text: str, rng: random.Random, _: Sequence[str]) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice("\0\t\x07\x85 :;,-#'\"[]{}&*!|>%@`\\\n\ufeff\ufffe🙂=/x0") + text[at + 1 :]


def _repeat_line(text: str, rng: random.Random, _: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    times = rng.choice((2, 2, 2, 3, 50, 3_000))
    return "".join([*lines[:at], *lines[at : at + 1] * times, *lines[at + 1 :]])


def _swap_lines(text: str, rng: random.Random, _: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return "".join(lines)


def _swap_words(text: str, rng: random.Random, _: Sequence[str]) -> str:
    start, end = _word(text, rng)
    other, stop = _word(text, rng)
    return text[:start] + text[other:stop] + text[end:]


def _shift_line(text: str, rng: random.Random, _: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    lines[at] = rng.choice((" " + lines[at], "    " + lines[at], lines[at].lstrip(), "\t" + lines[at]))
    return "".join(lines)


_MUTATIONS: tuple[Callable[[str, random.Random, Sequence[str]], str], ...] = (
    _replace_word, _replace_word, _replace_word, _insert_word, _remove_slice, _truncate, _change_character, _repeat_line, _swap_lines, _swap_words,
    _shift_line,
)  # fmt: skip


def _word(text: str, rng: random.Random) -> tuple[int, int]:
    """Where a word of the text begins and ends."""
    at = rng.randint(0, max(0, len(text) - 1))
    ends = " ,:[]{}\n\"'"
    start, end = at, at
    while start > 0 and text[start - 1] not in ends:
        start -= 1
    while end < len(text) and text[end] not in ends:
        end += 1
    return start, end


class TooLongError(BaseException):
    """A case used up its processor time. No `except Exception` holds it back."""


@contextlib.contextmanager
def limited(seconds: float = LIMIT_S) -> Iterator[None]:
    """Ends the block with `TooLongError` after so much processor time."""

    def end(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass
class Findings:
    """How the cases of a run ended."""

    codes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""
    problems: list[str] = field(default_factory=list)

    def case(self, name: str, check: Callable[..., str], *arguments: Any) -> None:
        """Runs one case, whose check, of these arguments, gives how it ended and raises `AssertionError` for what must not be."""
        started = time.process_time()
        try:
            with limited():
                self.codes[check(*arguments)] += 1
        except TooLongError:
            self.problems.append(f"{name}: takes longer than {LIMIT_S:g} s")
        except Exception as error:  # noqa: BLE001 - every exception is a finding
            self.problems.append(f"{name}: {type(error).__name__}: {str(error)[:600]}")
        seconds = time.process_time() - started
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest = seconds, name

    def summary(self) -> str:
        """`exit code 0: 12, exit code 2: 88; slowest 0.43 s (seed 7)`."""
        codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(self.codes.items()))
        return f"{sum(self.codes.values()):,} cases ({codes}); slowest {self.slowest_s:.2f} s of processor time ({self.slowest})"

    def check(self) -> None:
        """Fails with the problems that were found."""
        assert not self.problems, f"{len(self.problems)} problems:\n" + "\n".join(self.problems[:20])


_RUNNER = CliRunner()


def run_command(*arguments: str) -> str:
    """How a command line ends: `exit code 2`.

    Raises:
        AssertionError: if that is with a traceback, an undocumented code, or a wall of text.
    """
    result = _RUNNER.invoke(cli.app, list(arguments), prog_name="zoometer", env={"COLUMNS": "80"})
    said = result.stderr
    _check_end(result.exit_code, result.exception)
    assert "Traceback" not in said, said[-600:]
    assert "did not expect" not in said, said[-600:]
    assert len(said) <= _LONGEST_MESSAGE, f"{len(said)} characters: {said[:300]}"
    assert max(map(len, said.splitlines()), default=0) <= _LONGEST_LINE, said[:300]
    if result.exit_code == ExitCode.USER:
        assert result.output.strip(), "no message"
    return f"exit code {result.exit_code}"


def _check_end(code: int, exception: BaseException | None) -> None:
    if isinstance(exception, TooLongError):
        raise exception
    assert exception is None or isinstance(exception, SystemExit), f"{type(exception).__name__}: {exception}"
    documented: Any = {int(code) for code in ExitCode}
    assert code in documented, f"exit code {code}"
