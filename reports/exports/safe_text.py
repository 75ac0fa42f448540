"""Text from outside, checked before it is written where it could run as a formula, become a link or be unreadable."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MAX_ADDRESS = 2_000  # characters; Excel's own limit is 2,079 after escaping

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?%?")
_LINE_END = re.compile("\r\n?")


def printable(text: str) -> str:
    """The text with line ends as a newline alone, and characters that XML cannot hold and no reader can see shown as �."""
    return _UNPRINTABLE.sub("\ufffd", _LINE_END.sub("\n", text))


def is_formula_like(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula if somebody typed or pasted it."""
    return text[:1] in {"=", "+", "-", "@", "\t", "\r"}


def guarded(text: str) -> str:
    """A text for CSV: an apostrophe before what a spreadsheet would run as a formula, and only characters that readers of CSV accept."""
    return f"'{printable(text)}" if is_formula_like(text) and not _NUMBER.fullmatch(text) else printable(text)


def is_web_address(text: str) -> bool:
    """Whether the text may become a link: http or https, nothing that a spreadsheet would run, and not too long for it."""
    if len(text) > MAX_ADDRESS or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
