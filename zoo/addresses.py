"""Removes credentials from addresses, and from texts that contain them, before they are printed, logged, cached or reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import unquote

_HIDDEN = "***"

# `scheme://user:password@`. Passwords may contain slashes, as Amazon's keys do; digits after the colon are a port.
_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^/:@\s]*):(?!\d+(?:/|$|\s))(?P<password>[^@\s]*)@")

# A query may contain a token or a signature.
_QUERY = re.compile(r"(?P<page>[a-zA-Z][\w+.-]*://[^\s?'\"]*)\?[^\s'\"]*")

_SECRET = re.compile(r"secret|key|token|password|passwd|credential|signature|sas|auth|connection_string|account", re.IGNORECASE)
"""Names of storage options whose values are secret."""

_OPTION_NAMES = {"s3": ("key", "secret"), "s3a": ("key", "secret")}
"""Options of fsspec for user and password where they are not `username` and `password`."""

_SHORTEST_SECRET = 4
"""Characters; replacing shorter values would corrupt ordinary words."""


def redacted(text: str) -> str:
    """The text without the credentials of addresses in it."""
    return _QUERY.sub(rf"\g<page>?{_HIDDEN}", _CREDENTIALS.sub(rf"\g<scheme>{_HIDDEN}@", text))


class Address(str):
    """The address of a cache without its credentials, which are an attribute beside the text."""

    options: Mapping[str, Any]
    """Options of the file system at the address, including credentials."""

    __slots__ = ("options",)

    @classmethod
    def of(cls, text: str, options: Mapping[str, Any] | None = None) -> Self:
        """Splits an address into its text and credentials, and adds options of its file system."""
        merged = dict(getattr(text, "options", {})) | dict(options or {})
        if match := _CREDENTIALS.match(text):
            names = _OPTION_NAMES.get(match["scheme"].partition(":")[0].lower(), ("username", "password"))
            merged |= dict(zip(names, map(unquote, match.group("user", "password")), strict=True))
            text = match["scheme"] + text[match.end() :]
        address = cls(text)
        address.options = merged
        return address

    def scrubbed(self, text: str) -> str:
        """The text without the credentials of this address."""
        for secret in sorted(_secrets(self.options), key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return redacted(text)


def _secrets(options: Mapping[str, Any], *, is_secret: bool = False) -> Iterator[str]:
    for name, value in options.items():
        hides = is_secret or bool(_SECRET.search(str(name)))
        if isinstance(value, Mapping):
            yield from _secrets(value, is_secret=hides)
        elif hides and isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
            yield value
