"""Downloads timm's result tables into the user's cache of downloads.

A run makes one attempt. Without network it waits `FIRST_SIGN_S` at most: if no data arrives in that time, whatever does not answer (name
server, host or proxy), the run continues without the tables. If data arrives, it waits up to the other limits. A failed attempt is not
repeated for `PAUSE`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zoo.accuracy.result_tables import MAIN_TABLE, RESULTS, TABLES, ResultTable, csv_table
from zoo.documents.web import DownloadError, DownloadLimits, download

HOME = "https://raw.githubusercontent.com/huggingface/pytorch-image-models"
"""The repository with timm's folder `results`."""

MAIN_BRANCH = "main"
NOT_THERE = (404, 410)
"""HTTP statuses that mean a file does not exist."""

FIRST_SIGN_S = 1.8
"""Time limit for the first data."""

SILENCE_S = 10.0
"""Time limit between data."""

TOTAL_S = 60.0
"""Time limit of all tables together."""

PAUSE = timedelta(minutes=15)
"""Time after a failed attempt before the next one."""


def fetch_tables(version: str, max_age: timedelta) -> str:
    """Downloads the tables of a release, or those of the main branch if it has none. Returns the reason of a failure, else an empty text.

    A release's tables never change and are downloaded once; those of the main branch are downloaded again when they are older than
    `max_age`. If a time limit is exceeded, the download continues in the background, for the next run.
    """
    attempt = _Attempt(_download_folder(), HOME, version, datetime.now(UTC) - max_age)
    if attempt.is_done():
        return ""
    if at := attempt.failed_at():
        return f"could not be downloaded at {at:%H:%M} UTC, and are not tried again before {at + PAUSE:%H:%M}"
    import requests  # noqa: F401  # imported here, since it is slow: that is not the network's time

    arrivals, ended = deque[float](maxlen=1), threading.Event()  # the time at which data last arrived
    reasons: list[str] = []

    def work() -> None:
        try:
            reasons.append(attempt.run(lambda _: arrivals.append(time.monotonic())))
        finally:
            ended.set()

    threading.Thread(target=work, name="timm-results", daemon=True).start()
    reason = _wait_for_end(arrivals, ended) or next(iter(reasons), "could not be downloaded")
    if reason:
        attempt.remember_failure()
    return reason


def cached_tables(version: str) -> list[ResultTable]:
    """The downloaded tables of a release, else of the main branch."""
    for revision in _revisions_to_try(version):
        folder = _download_folder() / revision
        if (folder / MAIN_TABLE).exists():
            paths = {name: folder / name for name in TABLES if (folder / name).exists()}
            return [
                csv_table(str(path), path.read_bytes(), TABLES[name], f"timm {name} ({revision})", _written_at(path).isoformat(timespec="seconds"))
                for name, path in paths.items()
            ]  # fmt: skip
    return []


def _wait_for_end(arrivals: Sequence[float], ended: threading.Event) -> str:
    """Waits until the attempt has ended. Returns the reason if a time limit is exceeded before, else an empty text."""
    started = time.monotonic()
    while not ended.wait(0.02):
        now = time.monotonic()
        if not arrivals and now - started > FIRST_SIGN_S:
            return f"could not be downloaded: nothing arrived within {FIRST_SIGN_S:g} s"
        if now - (arrivals[-1] if arrivals else started) > SILENCE_S or now - started > TOTAL_S:
            return f"could not be downloaded within {now - started:.0f} s"
    return ""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to download the tables of a version into a folder."""

    folder: Path
    home: str
    version: str
    newer_than: datetime  # tables of the main branch that are older are downloaded again

    def run(self, heard: Callable[[int], Any]) -> str:
        """Downloads tables that are missing or too old; returns the reason of a failure, else an empty text."""
        try:
            for revision in _revisions_to_try(self.version):
                if self._fetch_table(revision, MAIN_TABLE, heard):
                    for name in TABLES:
                        self._fetch_table(revision, name, heard)
                    break
            else:
                return f"are neither in timm {self.version}'s repository nor in its main branch"
        except DownloadError as error:
            return f"could not be downloaded: {error}"
        except OSError as error:
            return f"could not be saved: {error}"
        self._failure_mark.unlink(missing_ok=True)
        return ""

    def is_done(self) -> bool:
        """Whether all tables are cached and recent enough."""
        return any(all(self._is_cached(revision, name) for name in TABLES) for revision in _revisions_to_try(self.version))

    def failed_at(self) -> datetime | None:
        """When the last attempt failed, if within `PAUSE`."""
        with contextlib.suppress(OSError):
            at = _written_at(self._failure_mark)
            return at if at > datetime.now(UTC) - PAUSE else None
        return None

    def remember_failure(self) -> None:
        with contextlib.suppress(OSError):  # the folder is not writable
            self.folder.mkdir(parents=True, exist_ok=True)
            self._failure_mark.write_text("The last attempt to download timm's result tables failed.\n", encoding="utf-8")

    def _is_cached(self, revision: str, name: str) -> bool:
        path = self.folder / revision / name
        return path.exists() and (revision != MAIN_BRANCH or _written_at(path) > self.newer_than)

    @property
    def _failure_mark(self) -> Path:
        return self.folder / "failed"

    def _fetch_table(self, revision: str, name: str, heard: Callable[[int], Any]) -> bool:
        """Downloads a table that is missing or too old. Returns whether the table exists."""
        folder = self.folder / revision
        path, fetched = folder / name, folder / f"{name}.new"
        if self._is_cached(revision, name):
            return True
        limits = DownloadLimits(RESULTS.most_bytes, TOTAL_S, SILENCE_S)
        try:
            content = download(f"{self.home}/{revision}/results/{name}", limits, heard)
        except DownloadError as error:
            if error.status not in NOT_THERE:
                raise
            return path.exists()
        folder.mkdir(parents=True, exist_ok=True)
        fetched.write_bytes(content)
        fetched.replace(path)
        return True


def _download_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("zoometer")) / "timm-results"


def _revisions_to_try(version: str) -> Iterator[str]:
    yield f"v{version}"
    yield MAIN_BRANCH


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
