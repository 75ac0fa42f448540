"""Addresses that may hold credentials, and texts that may hold such addresses: what of them may be shown.

Whatever is printed, logged, kept in a cache or put into a report is the part of an address without its credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import unquote

_HIDDEN = "***"

# `scheme://user:password@`. A password may hold slashes, as Amazon's keys do; digits behind the colon are a port.
_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^/:@\s]*):(?!\d+(?:/|$|\s))(?P<password>[^@\s]*)@")

# Values of a query are as good as a password: a token, or a signature.
_QUERY = re.compile(r"(?P<page>[a-zA-Z][\w+.-]*://[^\s?'\"]*)\?[^\s'\"]*")

_SECRET = re.compile(r"secret|key|token|password|passwd|credential|signature|sas|auth|connection_string|account", re.IGNORECASE)
"""Names of storage options whose values are never shown."""

_OPTION_NAMES = {"s3": ("key", "secret"), "s3a": ("key", "secret")}
"""What a file system of fsspec calls user and password; the others say `username` and `password`."""

_SHORTEST_SECRET = 4
"""Characters; hiding what is shorter would make holes into words."""


def redacted(text: str) -> str:
    """A text, such as an address or an error's message, without the credentials of the addresses in it."""
    return _QUERY.sub(rf"\g<page>?{_HIDDEN}", _CREDENTIALS.sub(rf"\g<scheme>{_HIDDEN}@", text))


class Address(str):
    """Where a cache is kept, as it may be shown. What opens it is beside the text, and never part of it."""

    options: Mapping[str, Any]
    """For the file system at the address, credentials among them."""

    __slots__ = ("options",)

    @classmethod
    def of(cls, text: str, options: Mapping[str, Any] | None = None) -> Self:
        """An address as somebody wrote it, with further options of its file system, which an address may have already."""
        found = dict(getattr(text, "options", {})) | dict(options or {})
        if match := _CREDENTIALS.match(text):
            names = _OPTION_NAMES.get(match["scheme"].partition(":")[0].lower(), ("username", "password"))
            found |= dict(zip(names, map(unquote, match.group("user", "password")), strict=True))
            text = match["scheme"] + text[match.end() :]
        address = cls(text)
        address.options = found
        return address

    def scrubbed(self, text: str) -> str:
        """A text without the credentials that open this address."""
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
