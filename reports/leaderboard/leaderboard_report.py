"""The report of what a configuration selects, without the sections that need more than the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd

from reports.columns.leaderboard_columns import COVERAGE, UNMATCHED
from reports.columns.table_rows import typed_table
from reports.leaderboard.breakdown import read_breakdown
from reports.leaderboard.cached_tables import CachedTables
from reports.leaderboard.leaderboard import build_leaderboard
from reports.leaderboard.report import DataSource, Report, ReportTotals
from reports.leaderboard.selected_tables import read_selected_tables
from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance
from zoo.cache.store import Store
from zoo.jobs import is_unsupported
from zoo.records import Status, Variant
from zoo.settings import RefreshSettings

CONVENTION = "matmul"
_IMAGENET = "imagenet-1k"


def build_leaderboard_report(settings: RefreshSettings, *, title: str) -> Report:
    """The report of the selected models, from the cache alone.

    Raises:
        CacheError: if the cache holds none of them.
    """
    tables = read_selected_tables(settings)
    return Report(
        title=title,
        created_at=datetime.now(UTC),
        convention=CONVENTION,
        versions=_list_versions(tables),
        totals=_count_totals(tables),
        leaderboard=build_leaderboard(tables),
        coverage=_coverage_table(tables),
        unmatched=typed_table(tables.unmatched, UNMATCHED),
        warnings=tuple(_list_warnings(tables)),
        sources=_list_sources(tables),
        notes=(*_snapshot_notes(tables.weights, tables.accuracy), *_notes_on_axes(settings), *_notes_on_architectures(tables)),
        breakdown=read_breakdown(Store(settings.cache), _native_costs(tables)),
    )


def _coverage_table(tables: CachedTables) -> pd.DataFrame:
    rows = tables.costs[tables.costs["status"] != Status.EXACT]
    rows = rows.merge(tables.architectures[["zoo", "arch", "task"]], on=["zoo", "arch"])
    return typed_table(rows.sort_values(["status", "zoo", "arch"], ascending=[False, True, True]), COVERAGE).reset_index(
        drop=True
    )


def _native_costs(tables: CachedTables) -> pd.DataFrame:
    """One counted cost of each architecture: as it is built, with its own head at its native input, or the next best."""
    head = ["zoo", "arch", "input", "classes"]
    native = tables.architectures[head].assign(is_native=True)
    counted = tables.costs[tables.costs["status"] != Status.FAILED].merge(native, on=head, how="left")
    counted = counted.assign(is_other=counted["is_native"].isna(), is_changed=counted["variant"] != Variant.BASE)
    return counted.sort_values(["is_changed", "is_other", "batch"], kind="stable").drop_duplicates(["zoo", "arch"])


def _count_totals(tables: CachedTables) -> ReportTotals:
    status = tables.costs["status"]
    return ReportTotals(
        architectures=len(tables.architectures),
        weights=len(tables.weights),
        rows=len(tables.costs),
        exact=int((status == Status.EXACT).sum()),
        bound=int((status == Status.BOUND).sum()),
        failed=int((status == Status.FAILED).sum()),
        unsupported=sum(map(is_unsupported, status, tables.costs["reason"].fillna(""))),
    )


def _list_versions(tables: CachedTables) -> dict[str, str]:
    """zoometer's own version, and those the counts were made with, the newest first where there are several."""
    from importlib.metadata import version  # slow to import, and no answer to a budget needs it

    versions = {"zoometer": version("zoometer")}
    for zoo, rows in tables.costs.groupby("zoo"):
        versions[str(zoo)] = ", ".join(sorted(rows["library_version"].dropna().unique(), reverse=True))
    versions["torch"] = ", ".join(sorted(tables.costs["torch_version"].dropna().unique(), reverse=True))
    return versions


def _list_warnings(tables: CachedTables) -> list[str]:
    warnings = []
    if (tables.weights["zoo"] == "timm").any() and "timm" not in tables.zoos_with_results:
        warnings.append("timm's accuracy is not in the cache; zoometer run CONFIG puts it there, without a network as well.")
    for zoo, rows in tables.costs.groupby("zoo"):
        if len(rows["library_version"].unique()) > 1:
            newest = rows.sort_values("counted_at")["library_version"].iloc[-1]
            stale = int((rows["library_version"] != newest).sum())
            warnings.append(f"{stale} costs of {zoo} were counted with another version than {newest}; zoometer run renews them.")
    return warnings


def _list_sources(tables: CachedTables) -> tuple[DataSource, ...]:
    counted = DataSource(
        "Costs", "counted on torch's meta device", str(tables.costs["counted_at"].max().date()) if len(tables.costs) else ""
    )
    retrieved = tables.accuracy.groupby("source", sort=True)["retrieved_at"].max()
    published = (
        DataSource("Accuracy", str(source), str(when)[:10], _source_note(str(source))) for source, when in retrieved.items()
    )
    return (counted, *published)


def _source_note(source: str) -> str:
    """A note on a source: licence and origin of the figures that come with zoometer; empty for others."""
    return f"licence {snapshot_provenance().licence}, from {snapshot_provenance().source}" if is_of_snapshot(source) else ""


def _snapshot_notes(weights: pd.DataFrame, accuracy: pd.DataFrame) -> Iterator[str]:
    """The date of the accuracies that come with zoometer, and the number of weights without one among them."""
    rows = accuracy[accuracy["source"].map(is_of_snapshot).astype(bool)]
    if rows.empty:
        return
    known = rows.loc[(rows["dataset"] == _IMAGENET) & (rows["metric"] == "top1"), ["arch", "tag"]].drop_duplicates()
    shown = weights.loc[(weights["zoo"] == "timm") & (weights["dataset"] == _IMAGENET), ["arch", "tag"]]
    unknown = len(shown) - len(shown.merge(known, on=["arch", "tag"]))
    day = max(rows["retrieved_at"])[:10]
    missing = f" {unknown:,} of the {len(shown):,} sets of ImageNet-1k weights shown are not among them." if unknown else ""
    yield f"timm's accuracies are those of {day} that come with zoometer.{missing}"


def _notes_on_axes(settings: RefreshSettings) -> Iterator[str]:
    for name, zoo in settings.zoos.items():
        changes = [f"a head of {zoo.classes} outputs"] if zoo.classes is not None else []
        changes += [f"{zoo.in_channels} input channels"] if zoo.in_channels is not None else []
        if changes:
            yield f"{name}: costs are those with {' and '.join(changes)}; accuracies were published for the weights as they were trained."


def _notes_on_architectures(tables: CachedTables) -> tuple[str, ...]:
    noted = tables.architectures[tables.architectures["note"].notna()]
    return tuple(f"{zoo}/{arch}: {note}." for zoo, arch, note in zip(noted["zoo"], noted["arch"], noted["note"], strict=True))
