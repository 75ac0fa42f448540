"""Downloads files: limited in size and time, from one scheme, and unpacked within the limit.

A redirect is followed if it keeps the scheme: https never leads to http, and neither leads to a file.
"""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import requests

_CHUNK = 1024  # small, so that slow data are noticed as well
_MOST_REDIRECTS = 5
_GZIP = ("gzip", "x-gzip")


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Limits of size and time for a download."""

    most_bytes: int  # as sent, and as unpacked
    total_s: float
    silence_s: float = 10.0  # between two pieces
    connect_s: float = 3.0


class DownloadError(Exception):
    """A file cannot be downloaded. The message is the end of a sentence that begins with its address.

    `status` is the HTTP status of an answer without the file.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def download(address: str, limits: DownloadLimits, heard: Callable[[int], Any] = lambda _: None) -> bytes:
    """The content of a file.

    Args:
        address: of http or https.
        limits: of size and time.
        heard: called with the bytes of each piece, and with 0 for the header.

    Raises:
        DownloadError: if it cannot be downloaded within the limits.
    """
    ended: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            ended.put(_download_content(address, limits, heard))
        except Exception as error:  # noqa: BLE001 - the caller raises it
            ended.put(error)

    # Time limits of a socket do not end a header that arrives slowly, so another thread waits for the whole.
    threading.Thread(target=work, name="download", daemon=True).start()
    try:
        result = ended.get(timeout=limits.total_s)
    except queue.Empty:
        raise _timeout_error(limits) from None
    if isinstance(result, Exception):
        raise result
    return result


def _download_content(address: str, limits: DownloadLimits, heard: Callable[[int], Any]) -> bytes:
    import requests  # slow to import, and needed for downloads only
    import urllib3

    deadline = time.monotonic() + limits.total_s
    try:
        with requests.Session() as session, _follow_redirects(session, address, limits) as response:
            heard(0)
            if response.status_code != requests.codes.ok:
                raise DownloadError(f"the answer was {response.status_code}", response.status_code)
            return _read_answer(response, limits, deadline, heard)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        raise DownloadError("no connection") from None
    except (ValueError, zlib.error) as error:
        raise DownloadError(f"the answer cannot be read: {error}") from None


def _follow_redirects(session: requests.Session, address: str, limits: DownloadLimits) -> requests.Response:
    """The answer of an address, after redirects."""
    for _ in range(_MOST_REDIRECTS + 1):
        response = session.get(
            address,
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect_s, limits.silence_s),
            headers={"Accept-Encoding": _GZIP[0]},
        )
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(address, response.headers["location"])
        if urlsplit(target).scheme != urlsplit(address).scheme:
            raise DownloadError(f"it leads to another scheme, {target}")
        address = target
    raise DownloadError(f"it leads from one address to the next more than {_MOST_REDIRECTS} times")


def _read_answer(response: requests.Response, limits: DownloadLimits, deadline: float, heard: Callable[[int], Any]) -> bytes:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", *_GZIP):
        raise DownloadError(f"the answer is packed as {encoding}, which was not requested")
    unpacker = zlib.decompressobj(wbits=31) if encoding in _GZIP else None
    content, received = bytearray(), 0
    for chunk in iter(lambda: response.raw.read(_CHUNK, decode_content=False), b""):
        heard(len(chunk))
        received += len(chunk)
        content += unpacker.decompress(chunk, limits.most_bytes + 1 - len(content)) if unpacker else chunk
        if max(received, len(content)) > limits.most_bytes:
            raise DownloadError(f"it is larger than {limits.most_bytes / 1e6:g} MB")
        if time.monotonic() > deadline:
            raise _timeout_error(limits)
    if unpacker and not unpacker.eof:
        raise DownloadError("the answer ended early")
    return bytes(content)


def _timeout_error(limits: DownloadLimits) -> DownloadError:
    return DownloadError(f"it took longer than {limits.total_s:g} s")
