"""Which of timm's published results are in the cache: those named, those downloaded, or those that came with zoometer."""

from __future__ import annotations

from pathlib import Path

import pooch
import pytest
from fakes_refreshed import Listening

from zoo.accuracy.result_tables import MAIN_TABLE, TABLES
from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance, snapshot_tables
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store
from zoo.records import Accuracy, Architecture, Task, Weights
from zoo.refresh.accuracy_sync import save_accuracy, sync_accuracy
from zoo.refresh.catalogue import ZooListing
from zoo.settings import RefreshSettings, ZooSettings

ARCH, TAG = "resnet50", "a1_in1k"
MODEL = f"{ARCH}.{TAG}"
WEIGHTS = Weights("timm", ARCH, TAG, Task.CLASSIFICATION, "imagenet-1k", 1000, "3x224x224")
RESNET = Architecture("timm", ARCH, Task.CLASSIFICATION, "resnet", "3x224x224", 1000, weights=(WEIGHTS,))
LISTING = ZooListing([RESNET], "9.9", {"timm": "9.9"}, is_new=False)
OWN = 1.25
"""A top-1 that nobody publishes."""


class Cached:
    """A cache that is refreshed without counting, and the user's folder of downloads."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "cache")
        self.store.prepare()
        self.said: list[str] = []

    def refresh(self, results: Path | None = None) -> list[Accuracy]:
        """The results that are in use after it; they are those that are kept."""
        settings = RefreshSettings(
            self.store.address, {"timm": ZooSettings()}, timm_results=str(results) if results else None, fetch_accuracy=False
        )
        listener = Listening()
        published = sync_accuracy(settings, {"timm": LISTING}, self.store, listener)
        save_accuracy(self.store, published)
        self.said = listener.said
        assert sorted(published["timm"].rows, key=repr) == sorted(self.store.accuracy(), key=repr)
        return self.store.accuracy()

    def download(self, name: str = MAIN_TABLE) -> Path:
        path = self.folder / "zoometer" / "timm-results" / "v9.9" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"model,img_size,top1,top5\n{MODEL},224,{OWN},2.5\n")
        return path

    def keep(self, source: str, retrieved_at: str) -> None:
        """Puts a result into the cache as an earlier run did."""
        row = {"zoo": "timm", "arch": ARCH, "tag": TAG, "dataset": "imagenet-1k", "metric": "top1", "input": "3x224x224"}
        rows = table_of("accuracy", [{**row, "value": OWN, "source": source, "retrieved_at": retrieved_at}])
        self.store.replace("accuracy", rows, {"timm"}, {"timm": {"published": {"results": None}}})


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cached:
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    return Cached(tmp_path)


def top1(rows: list[Accuracy]) -> dict[tuple[str, str], float]:
    return {(row.dataset, row.input): row.value for row in rows if row.metric == "top1"}


def shipped() -> dict[tuple[str, str], float]:
    """What the tables that come with zoometer say of the model."""
    rows = [(t.dataset, row) for t in snapshot_tables() for row in t.read().query(f"model == '{MODEL}'").to_dict("records")]
    return {(dataset, f"3x{row['img_size']}x{row['img_size']}"): row["top1"] for dataset, row in rows}


def test_without_anything_else_what_comes_with_zoometer_is_used(cached: Cached) -> None:
    rows = cached.refresh()
    assert top1(rows) == shipped()
    assert {dataset for dataset, _ in top1(rows)} == set(TABLES.values())
    (said,) = cached.said
    assert said.startswith(
        f"timm's results are those of {snapshot_provenance().date} that come with zoometer: newer ones may not"
    )


def test_what_is_downloaded_replaces_it_table_by_table(cached: Cached) -> None:
    cached.refresh()
    cached.download()
    rows = cached.refresh()
    others = {key: value for key, value in shipped().items() if key[0] != "imagenet-1k"}
    assert top1(rows) == {**others, ("imagenet-1k", "3x224x224"): OWN}
    assert cached.said == []


def test_what_was_downloaded_stays_when_it_cannot_be_had_again(cached: Cached) -> None:
    path = cached.download()
    rows = cached.refresh()
    path.unlink()
    assert cached.refresh() == rows
    day = max(row.retrieved_at for row in rows)[:10]
    (said,) = cached.said
    assert said.startswith(f"timm's results of {day} stay in use: newer ones may not be downloaded")


@pytest.mark.parametrize(("retrieved_at", "stays"), [("2000-01-01T00:00:00+00:00", False), ("2999-01-01T00:00:00+00:00", True)])
def test_the_newer_ones_of_downloaded_and_shipped_results_are_used(cached: Cached, retrieved_at: str, *, stays: bool) -> None:
    cached.keep(f"timm {MAIN_TABLE} (main)", retrieved_at)
    rows = cached.refresh()
    assert top1(rows) == ({("imagenet-1k", "3x224x224"): OWN} if stays else shipped())


def test_results_of_an_older_zoometer_are_replaced_whatever_their_date(cached: Cached) -> None:
    cached.keep(f"timm {MAIN_TABLE} (abc, comes with zoometer)", "2999-01-01T00:00:00+00:00")
    assert top1(cached.refresh()) == shipped()


def test_a_named_table_goes_before_both_and_is_not_used_once_it_is_not_named(cached: Cached) -> None:
    path = cached.download().rename(cached.folder / "mine.csv")
    rows = cached.refresh(path)
    assert top1(rows) == {("imagenet-1k", "3x224x224"): OWN}
    assert not any(is_of_snapshot(row.source) for row in rows)
    assert top1(cached.refresh()) == shipped()


def test_nothing_is_written_where_nothing_has_changed(cached: Cached) -> None:
    cached.refresh()
    before = cached.store.files.names("accuracy")
    cached.refresh()
    assert cached.store.files.names("accuracy") == before
