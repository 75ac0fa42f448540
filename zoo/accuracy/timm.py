"""timm's published results: the CSV tables of its release, from the network, a folder or a file.

The tables are keyed by `arch.tag` and image size. Results are joined to the weights of the installed timm; those that belong to
none are kept apart with the reason, and a missing table is a warning, never a zero.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pandas as pd
import pooch
import requests

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


@dataclass(frozen=True, slots=True)
class _File:
    """A result table at hand."""

    path: str
    dataset: str
    source: str
    retrieved_at: str


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
    files = list(_given_files(results) if results else _released_files(version, fetch=fetch))
    if not files:
        why = "could not be downloaded" if fetch else "may not be downloaded (accuracy: {fetch: false})"
        return AccuracyTable(warnings=(f"timm's accuracy is missing: its result tables {why}. {HOW_TO_SUPPLY}",))
    rows: list[Accuracy] = []
    unjoined: list[Unjoined] = []
    for file in files:
        joined, apart = _join(_read_table(file), file, weights, version)
        rows += joined
        unjoined += apart if file.dataset == TABLES[MAIN_TABLE] else []  # the other tables list the same models
    return AccuracyTable(tuple(rows), tuple(unjoined), _missing_main_table(files))


def _missing_main_table(files: Sequence[_File]) -> tuple[str, ...]:
    if any(file.dataset == TABLES[MAIN_TABLE] for file in files):
        return ()
    return (f"timm's ImageNet-1k accuracy is missing: {MAIN_TABLE} is not among the result tables.",)


def _given_files(results: str) -> Iterator[_File]:
    """The tables a user points at; their time is that of the file where it is known."""
    fs, root = fsspec.core.url_to_fs(results)
    if not fs.exists(results if "://" in results else root):
        raise AccuracyError(f"timm's results '{results}' do not exist. Name a folder with {MAIN_TABLE}, or one such CSV file.")
    if not results.endswith(".csv"):
        found = [(f"{results.rstrip('/')}/{name}", dataset) for name, dataset in TABLES.items()]
        found = [(path, dataset) for path, dataset in found if fs.exists(path)]
    else:
        found = [(results, TABLES.get(Path(results).name, TABLES[MAIN_TABLE]))]
    if not found:
        raise AccuracyError(f"'{results}' holds none of timm's result tables ({', '.join(TABLES)}).")
    for path, dataset in found:
        yield _File(path, dataset, f"timm {Path(path).name}", _modified(path))


def _modified(path: str) -> str:
    local = Path(path)
    moment = datetime.fromtimestamp(local.stat().st_mtime, UTC) if local.exists() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


def _released_files(version: str, *, fetch: bool) -> Iterator[_File]:
    """The tables of the installed release, else of the main branch, downloaded once and kept in the user's cache."""
    for revision in (f"v{version}", "main"):
        folder = Path(pooch.os_cache("zoometer")) / "timm-results" / revision
        if _fetch_table(folder, revision, MAIN_TABLE, fetch=fetch) is None:
            continue
        for name, dataset in TABLES.items():
            path = _fetch_table(folder, revision, name, fetch=fetch)
            if path is not None:
                yield _File(str(path), dataset, f"timm {name} ({revision})", _modified(str(path)))
        return


def _fetch_table(folder: Path, revision: str, name: str, *, fetch: bool) -> Path | None:
    path = folder / name
    if path.exists():
        return path
    if not fetch:
        return None
    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT_S)
    try:
        pooch.retrieve(f"{HOME}/{revision}/results/{name}", None, fname=name, path=folder, downloader=downloader)
    except (requests.RequestException, OSError, ValueError):
        return None
    return path


def _read_table(file: _File) -> pd.DataFrame:
    try:
        with fsspec.open(file.path, "rt", encoding="utf-8") as stream:
            table = pd.read_csv(stream)
    except (OSError, ValueError) as error:
        raise AccuracyError(f"timm's result table '{file.path}' cannot be read: {error}") from error
    missing = {"model", "img_size", "top1", "top5"} - set(table.columns)
    if missing:
        raise AccuracyError(f"'{file.path}' is not one of timm's result tables: it has no column {', '.join(sorted(missing))}.")
    return table


def _join(table: pd.DataFrame, file: _File, weights: Sequence[Weights], version: str) -> tuple[list[Accuracy], list[Unjoined]]:
    known = {f"{w.arch}.{w.tag}" if w.tag else w.arch: w for w in weights}
    archs = {w.arch for w in weights}
    rows: list[Accuracy] = []
    unjoined: list[Unjoined] = []
    for name, size, top1, top5 in zip(table["model"], table["img_size"], table["top1"], table["top5"], strict=True):
        match = known.get(name)
        if match is None:
            arch = str(name).partition(".")[0]
            lacks = f"no weights of {arch} with this tag" if arch in archs else f"no architecture {arch} with weights"
            unjoined.append(Unjoined(file.source, str(name), str(size), f"timm {version} has {lacks}"))
            continue
        input = format_input((parse_input(match.input)[0], int(size), int(size)))
        for metric, value in (("top1", top1), ("top5", top5)):
            if pd.notna(value):
                rows.append(
                    Accuracy(
                        "timm", match.arch, match.tag, file.dataset, metric, input, float(value), file.source, file.retrieved_at
                    )
                )
    return rows, unjoined
