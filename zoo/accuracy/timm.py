"""timm's published results: the CSV tables of its release, from the network, a folder or a file.

The tables are keyed by `arch.tag` and image size. Results are joined to the weights of the installed timm; those that belong to
none are kept apart with the reason, and a missing table is a warning, never a zero.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pandas as pd

from zoo.addresses import redacted
from zoo.errors import AccuracyError
from zoo.records import Accuracy, AccuracyTable, Unjoined, Weights, format_input, parse_input

HOME = "https://raw.githubusercontent.com/huggingface/pytorch-image-models"
"""Where timm's releases keep their folder `results`."""

TABLES = {
    "results-imagenet.csv": "imagenet-1k",
    "results-imagenet-real.csv": "imagenet-real",
    "results-imagenetv2-matched-frequency.csv": "imagenet-v2",
    "results-sketch.csv": "imagenet-sketch",
    "results-imagenet-a.csv": "imagenet-a",
    "results-imagenet-a-clean.csv": "imagenet-a-clean",
    "results-imagenet-r.csv": "imagenet-r",
    "results-imagenet-r-clean.csv": "imagenet-r-clean",
}
"""File names in timm's results folder, and the dataset each is about."""

MAIN_TABLE = "results-imagenet.csv"
HOW_TO_SUPPLY = (
    "Copy the folder 'results' of timm's repository and name it in the config: accuracy: {timm: {results: path/to/results}}."
)
_TIMEOUT_S = 10
_WEB = ("http://", "https://")
_MAIN_BRANCH = "main"
_NOT_THERE = (404, 410)


@dataclass(frozen=True, slots=True)
class TableFile:
    """A result table at hand."""

    path: str
    content: bytes
    dataset: str
    source: str
    retrieved_at: str

    @property
    def revision(self) -> str:
        """The beginning of the SHA-256 of its content."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def read_timm(weights: Sequence[Weights], *, version: str, results: str | None = None, fetch: bool = True) -> AccuracyTable:
    """Published results of the given weights.

    Args:
        weights: those of the installed timm.
        version: timm's, whose release's tables are wanted.
        results: a folder with timm's CSV tables, one such file, or an address of either; None: the release's own tables.
        fetch: whether the release's tables may be downloaded when they are not kept from before.

    Raises:
        AccuracyError: if `results` names nothing that can be read, or a table lacks the columns it must have.
    """
    files = find_tables(version=version, results=results, fetch=fetch)
    if not files:
        return AccuracyTable(warnings=(explain_missing(fetch=fetch),))
    return join_tables(files, weights, version)


def find_tables(
    *, version: str, results: str | None = None, fetch: bool = True, max_age: timedelta = timedelta(days=7)
) -> list[TableFile]:
    """The result tables that can be had; none where they are not kept and cannot be downloaded.

    A release's tables never change and are downloaded once; those of the main branch are downloaded again when they are older
    than `max_age`, and stay in use where that fails.

    Raises:
        AccuracyError: if `results` names nothing that can be read.
    """
    return list(_given_files(results) if results else _released_files(version, fetch=fetch, max_age=max_age))


def explain_missing(*, fetch: bool) -> str:
    """Why there are no tables, and what to do."""
    why = "could not be downloaded" if fetch else "may not be downloaded (accuracy: {fetch: false})"
    return f"timm's accuracy is missing: its result tables {why}. {HOW_TO_SUPPLY}"


def join_tables(files: Sequence[TableFile], weights: Sequence[Weights], version: str) -> AccuracyTable:
    """The results that belong to the given weights, and those that belong to none.

    Raises:
        AccuracyError: if a table lacks the columns it must have.
    """
    rows: list[Accuracy] = []
    unjoined: list[Unjoined] = []
    for file in files:
        joined, apart = _join(_read_table(file), file, weights, version)
        rows += joined
        unjoined += apart if file.dataset == TABLES[MAIN_TABLE] else []  # the other tables list the same models
    return AccuracyTable(tuple(rows), tuple(unjoined), missing_main_table(files))


def missing_main_table(files: Sequence[TableFile]) -> tuple[str, ...]:
    """A warning where ImageNet-1k's own table is not among the files."""
    if any(file.dataset == TABLES[MAIN_TABLE] for file in files):
        return ()
    return (f"timm's ImageNet-1k accuracy is missing: {MAIN_TABLE} is not among the result tables.",)


def _given_files(results: str) -> Iterator[TableFile]:
    """The tables a user points at; their time is that of the file where it is known."""
    if results.endswith(".csv"):
        wanted = {results: TABLES.get(Path(results).name, TABLES[MAIN_TABLE])}
    else:
        wanted = {f"{results.rstrip('/')}/{name}": dataset for name, dataset in TABLES.items()}
    found = False
    for path, dataset in wanted.items():
        content, modified = _read_web(path) if path.startswith(_WEB) else _read_path(path)
        if content is not None:
            found = True
            yield TableFile(
                path,
                content,
                dataset,
                f"timm {Path(redacted(path).partition('?')[0]).name}",
                modified.isoformat(timespec="seconds"),
            )
    if not found and (results in wanted or not _exists(results)):
        raise AccuracyError(
            f"timm's results '{redacted(results)}' do not exist. Name a folder with {MAIN_TABLE}, or one such CSV file."
        )
    if not found:
        raise AccuracyError(f"'{redacted(results)}' holds none of timm's result tables ({', '.join(TABLES)}).")


def _exists(folder: str) -> bool:
    """Whether there is such a folder; one on the web cannot be asked for."""
    if folder.startswith(_WEB):
        return True
    fs, root = fsspec.core.url_to_fs(folder)
    return bool(fs.exists(root))


def _read_web(address: str) -> tuple[bytes | None, datetime]:
    import requests  # slow to import, and wanted with a network only

    now = datetime.now(UTC)
    try:
        response = requests.get(address, timeout=_TIMEOUT_S)
        if response.status_code in _NOT_THERE:
            return None, now
        response.raise_for_status()
    except requests.RequestException as error:
        raise AccuracyError(f"timm's results '{redacted(address)}' cannot be fetched: {redacted(str(error))}") from None
    return response.content, now


def _read_path(path: str) -> tuple[bytes | None, datetime]:
    try:
        fs, root = fsspec.core.url_to_fs(path)
        if not fs.exists(root):
            return None, datetime.now(UTC)
        return fs.cat_file(root), _modified(fs, root)
    except (ImportError, OSError, ValueError) as error:
        raise AccuracyError(f"timm's results '{redacted(path)}' cannot be read: {redacted(str(error))}") from None


def _modified(fs: fsspec.AbstractFileSystem, path: str) -> datetime:
    """When a file was written, or now where its file system cannot tell."""
    try:
        moment: datetime = fs.modified(path)
    except NotImplementedError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _released_files(version: str, *, fetch: bool, max_age: timedelta) -> Iterator[TableFile]:
    """The tables of the installed release, else of the main branch, kept in the user's cache."""
    import pooch  # slow to import as well

    for revision in (f"v{version}", _MAIN_BRANCH):
        folder = Path(pooch.os_cache("zoometer")) / "timm-results" / revision
        newest = datetime.now(UTC) - max_age if revision == _MAIN_BRANCH else None
        if _fetch_table(folder, revision, MAIN_TABLE, fetch=fetch, newer_than=newest) is None:
            continue
        for name, dataset in TABLES.items():
            path = _fetch_table(folder, revision, name, fetch=fetch, newer_than=newest)
            if path is not None:
                fetched = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
                yield TableFile(str(path), path.read_bytes(), dataset, f"timm {name} ({revision})", fetched)
        return


def _fetch_table(folder: Path, revision: str, name: str, *, fetch: bool, newer_than: datetime | None) -> Path | None:
    """A table that is kept, downloaded first where it is missing or older than wanted; None where there is none."""
    path, fetched = folder / name, folder / f"{name}.new"
    kept = path if path.exists() else None
    is_fresh = kept and (newer_than is None or datetime.fromtimestamp(kept.stat().st_mtime, UTC) > newer_than)
    if is_fresh or not fetch:
        return kept
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT_S)
    try:
        fetched.unlink(missing_ok=True)
        pooch.retrieve(f"{HOME}/{revision}/results/{name}", None, fname=fetched.name, path=folder, downloader=downloader)
        fetched.replace(path)
    except (requests.RequestException, OSError, ValueError):
        return kept
    return path


def _read_table(file: TableFile) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.BytesIO(file.content))
    except ValueError as error:
        raise AccuracyError(f"timm's result table '{file.path}' cannot be read: {error}") from error
    missing = {"model", "img_size", "top1", "top5"} - set(table.columns)
    if missing:
        raise AccuracyError(f"'{file.path}' is not one of timm's result tables: it has no column {', '.join(sorted(missing))}.")
    for column in ("img_size", "top1", "top5"):
        table[column] = _numbers(table[column], file, required=column == "img_size")
    return table


def _numbers(values: pd.Series, file: TableFile, *, required: bool) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() & (values.notna() | required)]
    if len(wrong):
        raise AccuracyError(
            f"timm's result table '{file.path}' has '{wrong.iloc[0]}' in column {wrong.name}, which is no number."
        )
    return numbers


def _join(
    table: pd.DataFrame, file: TableFile, weights: Sequence[Weights], version: str
) -> tuple[list[Accuracy], list[Unjoined]]:
    known = {f"{w.arch}.{w.tag}" if w.tag else w.arch: w for w in weights}
    archs = {w.arch for w in weights}
    rows: list[Accuracy] = []
    unjoined: list[Unjoined] = []
    source, revision = (file.source, file.retrieved_at), file.revision
    for name, size, top1, top5 in zip(table["model"], table["img_size"], table["top1"], table["top5"], strict=True):
        match = known.get(name)
        if match is None:
            arch = str(name).partition(".")[0]
            lacks = f"no weights of {arch} with this tag" if arch in archs else f"no architecture {arch} with weights"
            unjoined.append(Unjoined(file.source, str(name), f"{size:g}", f"timm {version} has {lacks}"))
            continue
        input = format_input((parse_input(match.input)[0], int(size), int(size)))
        for metric, value in (("top1", top1), ("top5", top5)):
            if pd.notna(value):
                result = ("timm", match.arch, match.tag, file.dataset, metric, input, float(value))
                rows.append(Accuracy(*result, *source, revision))
    return rows, unjoined
