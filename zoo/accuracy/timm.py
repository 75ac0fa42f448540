"""timm's published results: tables that the user configures, else those of timm's release, else those that come with zoometer.

The tables are keyed by `arch.tag` and image size. Results are joined to the weights of the installed timm; results without such weights are
returned separately, with the reason. Values that a table does not state are missing, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pandas as pd

from zoo.accuracy.download import MAIN_BRANCH, NOT_THERE, cached_tables, fetch_tables
from zoo.accuracy.result_tables import MAIN_TABLE, RESULTS, TABLES, ResultTable, csv_table
from zoo.accuracy.snapshot import snapshot_provenance, snapshot_tables
from zoo.addresses import redacted
from zoo.documents.files import read_bytes
from zoo.documents.web import DownloadError, DownloadLimits, download
from zoo.errors import AccuracyError
from zoo.inputs import format_input, parse_input
from zoo.records import Accuracy, AccuracyTable, Unmatched, Weights

_LIMITS = DownloadLimits(RESULTS.most_bytes, total_s=60)
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class ResultTables:
    """The result tables to use."""

    tables: list[ResultTable]
    why_not_newer: str = ""  # if all of them come with zoometer: why none were downloaded, as the predicate of a sentence


def find_tables(
    *, version: str, results: str | None = None, fetch: bool = True, max_age: timedelta = timedelta(days=7)
) -> ResultTables:
    """The tables that the user configured; else those of a release, and the shipped ones for those that are not available.

    Tables of the main branch that are older than the shipped ones are ignored.

    Args:
        version: of timm.
        results: a folder with timm's CSV tables, one such file, or an address of either; None: the release's own tables.
        fetch: whether missing tables of the release may be downloaded.
        max_age: age at which tables of the main branch are downloaded again.

    Raises:
        AccuracyError: if `results` cannot be read.
    """
    if results:
        return ResultTables(list(_configured_tables(results)))
    reason = fetch_tables(version, max_age) if fetch else "may not be downloaded (accuracy: {fetch: false})"
    available = {table.dataset: table for table in cached_tables(version) if not _is_outdated(table)}
    tables = [available.get(table.dataset, table) for table in snapshot_tables()]
    return ResultTables(tables, "" if available else reason or "are not due yet (accuracy: {max_age_days: …})")


def _is_outdated(table: ResultTable) -> bool:
    return table.source.endswith(f"({MAIN_BRANCH})") and table.retrieved_at < snapshot_provenance().retrieved_at


def join_tables(tables: Sequence[ResultTable], weights: Sequence[Weights], version: str) -> AccuracyTable:
    """The results of the given weights, and results without weights.

    Raises:
        AccuracyError: if a table cannot be read or lacks a required column.
    """
    rows: list[Accuracy] = []
    unmatched: list[Unmatched] = []
    for table in tables:
        joined, apart = _join_table(table, weights, version)
        rows += joined
        unmatched += apart if table.dataset == TABLES[MAIN_TABLE] else []  # the other tables list the same models
    return AccuracyTable(tuple(rows), tuple(unmatched), missing_main_table(tables))


def missing_main_table(tables: Sequence[ResultTable]) -> tuple[str, ...]:
    """A warning if ImageNet-1k's own table is missing."""
    if any(table.dataset == TABLES[MAIN_TABLE] for table in tables):
        return ()
    return (f"timm's ImageNet-1k accuracy is missing: {MAIN_TABLE} is not among the result tables.",)


def _configured_tables(results: str) -> Iterator[ResultTable]:
    """The tables that the user configured, dated by the time of modification of their file if it is known."""
    if results.endswith(".csv"):
        datasets = {results: TABLES.get(Path(results).name, TABLES[MAIN_TABLE])}
    else:
        datasets = {f"{results.rstrip('/')}/{name}": dataset for name, dataset in TABLES.items()}
    is_any = False
    for path, dataset in datasets.items():
        content, modified = _read_web(path) if path.startswith(_WEB) else _read_path(path)
        if content is not None:
            is_any = True
            source = f"timm {Path(redacted(path).partition('?')[0]).name}"
            yield csv_table(path, content, dataset, source, modified.isoformat(timespec="seconds"))
    if not is_any and (results in datasets or not _folder_exists(results)):
        raise AccuracyError(
            f"timm's results '{redacted(results)}' do not exist. Name a folder with {MAIN_TABLE}, or one such CSV file."
        )
    if not is_any:
        raise AccuracyError(f"'{redacted(results)}' holds none of timm's result tables ({', '.join(TABLES)}).")


def _folder_exists(folder: str) -> bool:
    """Whether a folder exists. Folders on the web cannot be checked and count as existing."""
    if folder.startswith(_WEB):
        return True
    fs, root = fsspec.core.url_to_fs(folder)
    return bool(fs.exists(root))


def _read_web(address: str) -> tuple[bytes | None, datetime]:
    now = datetime.now(UTC)
    try:
        return download(address, _LIMITS), now
    except DownloadError as error:
        if error.status in NOT_THERE:
            return None, now
        raise AccuracyError(f"timm's results '{redacted(address)}' cannot be fetched: {redacted(str(error))}.") from None


def _read_path(path: str) -> tuple[bytes | None, datetime]:
    try:
        fs, root = fsspec.core.url_to_fs(path)
        if not fs.exists(root):
            return None, datetime.now(UTC)
        if "file" in (fs.protocol, *fs.protocol):
            return read_bytes(root, RESULTS), _modification_time(fs, root)
        content: bytes = fs.cat_file(root, end=RESULTS.most_bytes + 1)
    except (ImportError, OSError, ValueError) as error:
        raise AccuracyError(f"timm's results '{redacted(path)}' cannot be read: {redacted(str(error))}") from None
    if len(content) > RESULTS.most_bytes:
        raise AccuracyError(f"timm's results '{redacted(path)}' are too large: {RESULTS.most_bytes / 1e6:g} MB at most.")
    return content, _modification_time(fs, root)


def _modification_time(fs: fsspec.AbstractFileSystem, path: str) -> datetime:
    """When a file was modified, or now if its file system does not tell."""
    try:
        moment: datetime = fs.modified(path)
    except NotImplementedError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _join_table(table: ResultTable, weights: Sequence[Weights], version: str) -> tuple[list[Accuracy], list[Unmatched]]:
    known = {f"{w.arch}.{w.tag}" if w.tag else w.arch: w for w in weights}
    archs = {w.arch for w in weights}
    rows: list[Accuracy] = []
    unmatched: list[Unmatched] = []
    source, revision = (table.source, table.retrieved_at), table.revision
    results = table.read()
    for name, size, top1, top5 in zip(results["model"], results["img_size"], results["top1"], results["top5"], strict=True):
        match = known.get(name)
        if match is None:
            arch = str(name).partition(".")[0]
            lacks = f"no weights of {arch} with this tag" if arch in archs else f"no architecture {arch} with weights"
            unmatched.append(Unmatched(table.source, str(name), f"{size:g}", f"timm {version} has {lacks}"))
            continue
        input = format_input((parse_input(match.input)[0], int(size), int(size)))
        for metric, value in (("top1", top1), ("top5", top5)):
            if pd.notna(value):
                result = ("timm", match.arch, match.tag, table.dataset, metric, input, float(value))
                rows.append(Accuracy(*result, *source, revision))
    return rows, unmatched
