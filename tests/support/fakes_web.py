"""A web server on this machine."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from typing import Any, Self


class Requests(http.server.SimpleHTTPRequestHandler):
    """Serves a folder's files, but lists no folder, as the home of timm's releases does; `paths` are those asked for."""

    paths: list[str]

    def __init__(self, *arguments: Any, directory: str, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(*arguments, directory=directory)

    def send_head(self) -> Any:
        self.paths.append(self.path)
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """A web server for a folder; it runs while it is a context."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[str] = []
        handler = functools.partial(Requests, directory=str(folder), paths=self.paths)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
