"""How a command ends: exit codes, and errors as one sentence on stderr.

Tracebacks are printed for bugs only, and with `--debug`.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NoReturn

import typer

from zoo.addresses import redacted
from zoo.errors import BusyError, ZooError, shorten, shorten_line


class ExitCode(IntEnum):
    """The exit codes, for shells, cron and continuous integration."""

    OK = 0
    BUG = 1  # an unexpected exception
    NO = 1  # nothing fits a budget, or a model exceeds a limit
    USER = 2  # something that the user has to correct, or a fault of the machine such as a full disk
    MODELS_FAILED = 3  # the work is done, but some models could not be counted
    CHANGED = 4  # the work is done, and a change or verdict that --fail-on names occurred
    BUSY = 75  # another process is at it: try again later (EX_TEMPFAIL of sysexits.h)
    INTERRUPTED = 130  # Ctrl-C: 128 + SIGINT, as shells have it


# Errors of the operating system: what happened, and what to do.
_REFUSALS = {
    errno.ENOSPC: ("No space is left on the disk", "Free some space and run the same command again"),
    errno.EDQUOT: ("The disk quota is used up", "Free some space and run the same command again"),
    errno.EACCES: ("Permission is denied", "Choose a folder you may write to, or change its permissions"),
    errno.EPERM: ("Permission is denied", "Choose a folder you may write to, or change its permissions"),
    errno.EROFS: ("The file system is read-only", "Choose a folder on another one for `cache` and `out`"),
    errno.ELOOP: ("Links lead in a circle", "Choose another path"),
    errno.ENAMETOOLONG: ("A name is too long", "Choose a shorter one"),
    errno.ENOTDIR: ("A file stands where a folder must be", "Choose another folder"),
    errno.EEXIST: ("A file stands where a folder must be", "Choose another folder"),
    errno.EISDIR: ("A folder stands where a file must be", "Choose another name"),
    errno.ENXIO: ("A device does not answer", "Choose another path"),
    errno.EIO: ("A disk does not answer", "Check it, or choose another folder"),
}


@contextlib.contextmanager
def end_in_words(*, debug: bool) -> Iterator[None]:
    """Turn what the enclosed verb raises into a sentence and an exit code; with `debug`, print its traceback first.

    Raises:
        typer.Exit: instead of any error named above.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BusyError as error:
        _exit_with_message(str(error), ExitCode.BUSY, debug=debug)
    except ZooError as error:
        _exit_with_message(str(error), ExitCode.USER, debug=debug)
    except KeyboardInterrupt:
        _exit_with_message(
            "Interrupted. What was counted is kept; the same command goes on from there.", ExitCode.INTERRUPTED, debug=debug
        )
    except Exception as error:
        # typer prints its own usage errors (they carry their exit code), and ends quietly on a closed pipe (`zoometer list | head`).
        if hasattr(error, "exit_code") or getattr(error, "errno", None) == errno.EPIPE:
            raise
        if isinstance(error, OSError) and (words := explain_refusal(error)):
            _exit_with_message(words, ExitCode.USER, debug=debug)
        _exit_with_bug(error, debug=debug)


def explain_refusal(error: OSError) -> str | None:
    """A sentence for what the operating system refused, naming the file; None where the error means something else."""
    if error.errno not in _REFUSALS:
        return None
    what, then = _REFUSALS[error.errno]
    where = f": '{error.filename}'" if error.filename else ""
    return f"{what}{where}. {then}; what was counted is kept."


@contextlib.contextmanager
def short_usage() -> Iterator[None]:
    """Shorten what typer says of a wrong command line: it quotes an argument whole, however long it is."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "exit_code") and isinstance(message := getattr(error, "message", None), str):
            error.message = shorten_line(message)  # type: ignore[attr-defined]
        raise


def split_at(args: Sequence[str], separator: str) -> tuple[list[str], list[str], list[str]]:
    """The arguments before the first `separator`, the separator itself if it occurs, and the arguments after it."""
    at = args.index(separator) if separator in args else len(args)
    return list(args[:at]), list(args[at : at + 1]), list(args[at + 1 :])


def _exit_with_message(message: str, code: ExitCode, *, debug: bool) -> NoReturn:
    if debug:
        print(redacted(traceback.format_exc()), file=sys.stderr, end="")
    print(f"error: {redacted(shorten(message))}", file=sys.stderr)
    raise typer.Exit(code)


def _exit_with_bug(error: Exception, *, debug: bool) -> NoReturn:
    said = shorten_line(f"{type(error).__name__}: {error}".strip(": \n").splitlines()[0])
    hint = "" if debug else " Run again with --debug for the traceback, and please report it."
    _exit_with_message(f"zoometer met something it did not expect: {said}.{hint}", ExitCode.BUG, debug=debug)
