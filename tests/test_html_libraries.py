"""The embedded libraries: taken from packages, kept between reports, and never the reason a report fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from reports.html import libraries
from zoo.errors import OutputError


@pytest.fixture
def bundle_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the slow bundling by a short text, and counts its calls."""
    calls: list[str] = []

    def bundle(snippet: str) -> str:
        calls.append(snippet)
        return f"/* bundle */ {snippet}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    return calls


def test_datatables_sets_its_two_names_and_exports_nothing() -> None:
    text = libraries.load_datatables()
    assert "window.DataTable=" in text
    assert "window.jQuery=" in text
    assert "export{" not in text.replace(" ", "")


def test_an_itables_of_another_form_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "dt_bundle.js").write_text("var x = 1; export { x as other };")
    monkeypatch.setattr(libraries, "files", lambda package: tmp_path)
    with pytest.raises(OutputError, match="cannot use itables"):
        libraries.load_datatables()


def test_vega_is_bundled_once_and_then_read(tmp_path: Path, bundle_calls: list[str]) -> None:
    assert libraries.load_vega(tmp_path / "cache") == libraries.load_vega(tmp_path / "cache")
    assert len(bundle_calls) == 1
    assert "vega-ready" in bundle_calls[0]


@pytest.mark.parametrize("damage", ["", "cut", "// sha256 0\nwrong"])
def test_a_damaged_bundle_is_made_anew(tmp_path: Path, bundle_calls: list[str], damage: str) -> None:
    whole = libraries.load_vega(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(damage)
    assert libraries.load_vega(tmp_path) == whole
    assert libraries.load_vega(tmp_path) == whole
    assert len(bundle_calls) == 2


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, bundle_calls: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert libraries.load_vega(tmp_path / "file").startswith("/* bundle */")
    assert libraries.load_vega(tmp_path / "file").startswith("/* bundle */")
    assert len(bundle_calls) == 2
