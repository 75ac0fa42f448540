"""The embedded library: taken from its package, in the form the page can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.html import libraries
from zoo.errors import OutputError


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
