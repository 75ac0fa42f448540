"""timm's result tables from their public home, kept in the user's cache of downloads.

A run makes one attempt, and loses next to nothing where there is no network: as long as nothing at all has arrived it waits
`FIRST_SIGN_S`, whatever is silent (a name server, a host, a proxy), and only then goes on without. Where something arrives, however
slowly, it is patient. An attempt that failed is not repeated for `PAUSE`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zoo.accuracy.result_tables import MAIN_TABLE, RESULTS, TABLES, ResultTable, csv_table
from zoo.documents.web import DownloadError, DownloadLimits, download

HOME = "https://raw.githubusercontent.com/huggingface/pytorch-image-models"
"""Where timm's releases keep their folder `results`."""

MAIN_BRANCH = "main"
NOT_THERE = (404, 410)
"""Answers that say a file does not exist, as others say that it cannot be had now."""

FIRST_SIGN_S = 1.8
"""How long a run waits for the first sign of a network."""

SILENCE_S = 10.0
"""How long it waits for the next one."""

TOTAL_S = 60.0
"""How long all tables may take together."""

PAUSE = timedelta(minutes=15)
"""How long a failed attempt is remembered: for commands in a row, not for tomorrow's."""


def fetch_tables(version: str, max_age: timedelta) -> str:
    """Downloads the tables of a release, else of the main branch; gives why that could not be done, else nothing.

    A release's tables never change and are downloaded once; those of the main branch are again when they are older than `max_age`.
    Where nothing arrives in time, the run goes on while the attempt does, and its tables are there for the next run.
    """
    job = _Job(_folder(), HOME, version, datetime.now(UTC) - max_age)
    if job.is_done():
        return ""
    if at := job.failed_at():
        return f"could not be downloaded at {at:%H:%M} UTC, and are not tried again before {at + PAUSE:%H:%M}"
    import requests  # noqa: F401  # imported here, since it is slow: that is not the network's time

    signs, ended = _Signs(), threading.Event()
    said: list[str] = []

    def work() -> None:
        try:
            said.append(job.run(signs))
        finally:
            ended.set()

    threading.Thread(target=work, name="timm-results", daemon=True).start()
    why = _wait(signs, ended) or next(iter(said), "could not be downloaded")
    if why:
        job.remember_failure()
    return why


def kept_tables(version: str) -> list[ResultTable]:
    """The tables that were downloaded for a release, else those of the main branch."""
    for revision in _revisions(version):
        folder = _folder() / revision
        if (folder / MAIN_TABLE).exists():
            paths = {name: folder / name for name in TABLES if (folder / name).exists()}
            return [
                csv_table(str(path), path.read_bytes(), TABLES[name], f"timm {name} ({revision})", _written_at(path).isoformat(timespec="seconds"))
                for name, path in paths.items()
            ]  # fmt: skip
    return []


class _Signs:
    """When something last arrived."""

    def __init__(self) -> None:
        self.is_any = False
        self.last = time.monotonic()

    def hear(self, _: int) -> None:
        self.is_any, self.last = True, time.monotonic()


def _wait(signs: _Signs, ended: threading.Event) -> str:
    """Until the attempt has ended; why that is not waited for, else nothing."""
    started = time.monotonic()
    while not ended.wait(0.02):
        now = time.monotonic()
        if not signs.is_any and now - started > FIRST_SIGN_S:
            return f"could not be downloaded: nothing arrived within {FIRST_SIGN_S:g} s"
        if now - signs.last > SILENCE_S or now - started > TOTAL_S:
            return f"could not be downloaded within {now - started:.0f} s"
    return ""


@dataclass(frozen=True, slots=True)
class _Job:
    """One attempt: what is wanted, from where, and the folder it is kept in."""

    folder: Path
    home: str
    version: str
    newer_than: datetime  # for tables that can change

    def run(self, signs: _Signs) -> str:
        """Downloads what is missing or too old; gives why that failed, else nothing."""
        try:
            for revision in _revisions(self.version):
                if self._fetch(revision, MAIN_TABLE, signs):
                    for name in TABLES:
                        self._fetch(revision, name, signs)
                    break
            else:
                return f"are neither in timm {self.version}'s repository nor in its main branch"
        except DownloadError as error:
            return f"could not be downloaded: {error}"
        except OSError as error:
            return f"could not be kept: {error}"
        self._mark.unlink(missing_ok=True)
        return ""

    def is_done(self) -> bool:
        """Whether all there may be is kept already, and young enough."""
        return any(all(self._is_kept(revision, name) for name in TABLES) for revision in _revisions(self.version))

    def failed_at(self) -> datetime | None:
        """When an attempt failed that is still remembered."""
        with contextlib.suppress(OSError):
            at = _written_at(self._mark)
            return at if at > datetime.now(UTC) - PAUSE else None
        return None

    def remember_failure(self) -> None:
        with contextlib.suppress(OSError):  # nothing can be kept here: then nothing is
            self.folder.mkdir(parents=True, exist_ok=True)
            self._mark.write_text("The last attempt to download timm's result tables failed.\n", encoding="utf-8")

    def _is_kept(self, revision: str, name: str) -> bool:
        path = self.folder / revision / name
        return path.exists() and (revision != MAIN_BRANCH or _written_at(path) > self.newer_than)

    @property
    def _mark(self) -> Path:
        return self.folder / "failed"

    def _fetch(self, revision: str, name: str, signs: _Signs) -> bool:
        """Whether there is such a table, downloaded first where it is missing or too old."""
        folder = self.folder / revision
        path, fetched = folder / name, folder / f"{name}.new"
        if self._is_kept(revision, name):
            return True
        limits = DownloadLimits(RESULTS.most_bytes, TOTAL_S, SILENCE_S)
        try:
            content = download(f"{self.home}/{revision}/results/{name}", limits, signs.hear)
        except DownloadError as error:
            if error.status not in NOT_THERE:
                raise
            return path.exists()
        folder.mkdir(parents=True, exist_ok=True)
        fetched.write_bytes(content)
        fetched.replace(path)
        return True


def _folder() -> Path:
    import pooch

    return Path(pooch.os_cache("zoometer")) / "timm-results"


def _revisions(version: str) -> Iterator[str]:
    yield f"v{version}"
    yield MAIN_BRANCH


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
