"""Downloads end within their limits, whatever answers."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zoo.documents.web import DownloadError, DownloadLimits, download

LIMITS = DownloadLimits(most_bytes=100_000, total_s=20, silence_s=10)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers each path as `ANSWERS` says."""

    def do_GET(self) -> None:
        ANSWERS[self.path.partition("?")[0]](self)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def redirect(target: str) -> Callable[[Answers], None]:
    return lambda request: request.answer(b"", 302, Location=target)


def drip(request: Answers) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(1_000):
        request.wfile.write(b"x")
        time.sleep(0.02)


def drip_header(request: Answers) -> None:
    for _ in range(1_000):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.02)


def endless(request: Answers) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"x" * 10_000)


ANSWERS: dict[str, Callable[[Answers], None]] = {
    "/plain": lambda request: request.answer(b"a" * 100_000),
    "/packed": lambda request: request.answer(gzip.compress(b"a" * 100_000), Content_Encoding="gzip"),
    "/large": lambda request: request.answer(b"a" * 100_001),
    "/bomb": lambda request: request.answer(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"),
    "/twice": lambda request: request.answer(gzip.compress(gzip.compress(b"a")), Content_Encoding="gzip, gzip"),
    "/other": lambda request: request.answer(b"a", Content_Encoding="br"),
    "/torn": lambda request: request.answer(gzip.compress(b"abc" * 100)[:-9], Content_Encoding="gzip"),
    "/mislabelled": lambda request: request.answer(b"abc", Content_Encoding="gzip"),
    "/missing": lambda request: request.answer(b"", 404),
    "/near": redirect("/plain"),
    "/circle": redirect("/circle"),
    "/file": redirect("file:///etc/hostname"),
    "/ftp": redirect("ftp://127.0.0.1/plain"),
    "/https": redirect("https://127.0.0.1/plain"),
    "/drip": drip,
    "/drip-header": drip_header,
    "/endless": endless,
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that gave up

    with Server(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("path", ["/plain", "/packed", "/near"])
def test_what_is_within_the_limits_comes_whole(address: str, path: str) -> None:
    heard: list[int] = []
    assert download(address + path, LIMITS, heard.append) == b"a" * 100_000
    assert heard[0] == 0  # the header
    assert len(heard) > 1


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/large", "it is larger than 0.1 MB"),
        ("/endless", "it is larger than 0.1 MB"),
        ("/bomb", "it is larger than 0.1 MB"),
        ("/twice", "packed as gzip, gzip, which was not requested"),
        ("/other", "packed as br, which was not requested"),
        ("/torn", "the answer ended early"),
        ("/mislabelled", "the answer cannot be read"),
        ("/missing", "the answer was 404"),
        ("/circle", "from one address to the next more than 5 times"),
        ("/file", "it leads to another scheme, file:///etc/hostname"),
        ("/ftp", "it leads to another scheme, ftp://"),
        ("/https", "it leads to another scheme, https://"),
    ],
)
def test_what_is_not_is_given_up_with_the_reason(address: str, path: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        download(address + path, LIMITS)


@pytest.mark.parametrize("path", ["/drip", "/drip-header"])
def test_what_comes_too_slowly_is_given_up(address: str, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(DownloadError, match=r"it took longer than 0\.3 s"):
        download(address + path, DownloadLimits(100_000, total_s=0.3))
    assert time.monotonic() - started < 5


def test_a_port_that_nobody_listens_at_is_no_connection() -> None:
    with pytest.raises(DownloadError, match="no connection"):
        download("http://127.0.0.1:9/a", LIMITS)


@pytest.mark.parametrize("wrong", ["http://", "http://a b/", "file:///etc/hostname", "http://[1"])
def test_an_address_that_is_none_is_no_connection(wrong: str) -> None:
    with pytest.raises(DownloadError):
        download(wrong, LIMITS)
