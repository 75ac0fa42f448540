"""The page as text: what is embedded, under which policy, and that data stays data."""

from __future__ import annotations

import json
import re
import stat
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_html import HOSTILE, breakdown_like, hostile_report, report_like, row_like, zoo_like

from reports.columns.leaderboard_columns import LEADERBOARD, TRAINING
from reports.html import render, write
from reports.html.inlining import safe_json, safe_script, security_policy
from reports.html.page import STYLES
from reports.html.payload import build_breakdown, build_payload, build_table
from zoo.errors import OutputError


class _Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.text = ""
        self._inside: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs)) if tag in {"script", "style"} else None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks.append((*self._inside, data))
        else:
            self.text += data

    def scripts(self) -> list[str]:
        return [text for tag, attributes, text in self.blocks if tag == "script" and attributes.get("type") != "application/json"]

    def data(self) -> dict[str, Any]:
        (block,) = [text for _, attributes, text in self.blocks if attributes.get("type") == "application/json"]
        return dict(json.loads(block))


@pytest.fixture(scope="module")
def page() -> _Page:
    return _Page(render(zoo_like(200)))


def decoded(table: dict[str, Any], key: str) -> list[Any]:
    """A column of the payload as the page reads it."""
    values = table["values"][key]
    if isinstance(values, dict):
        return [values["words"][code] if code >= 0 else None for code in values["codes"]]
    return list(values)


def test_every_script_and_style_is_named_by_its_hash_in_the_policy(page: _Page) -> None:
    (policy,) = [a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    allowed = {name: set(sources.split()) for name, _, sources in (part.partition(" ") for part in policy.split("; "))}
    assert allowed["default-src"] == {"'none'"}
    texts = {"script-src": page.scripts(), "style-src": [text for tag, _, text in page.blocks if tag == "style"]}
    for directive, blocks in texts.items():
        assert allowed[directive] == {f"'sha256-{b64encode(sha256(block.encode()).digest()).decode()}'" for block in blocks}


def test_nothing_is_loaded_from_anywhere(page: _Page) -> None:
    loading = {"src", "srcset", "data", "poster", "action", "background"}
    assert not [
        (tag, a) for tag, a in page.elements if loading & a.keys() or tag in {"link", "iframe", "object", "embed", "img", "base"}
    ]
    assert not [a for _, a in page.elements if any(name.startswith("on") or name == "style" for name in a)]
    links = [a for tag, a in page.elements if tag == "a" and (a.get("href") or "").startswith("http")]
    assert links
    assert all(a.get("rel") == "noopener noreferrer" for a in links)


def test_every_column_is_in_the_page_with_all_that_is_declared(page: _Page) -> None:
    columns = page.data()["leaderboard"]["columns"]
    expected = [column for column in LEADERBOARD if column not in TRAINING]  # no step of training was counted here
    assert [column["key"] for column in columns] == [column.key for column in expected]
    for sent, declared in zip(columns, expected, strict=True):
        assert (sent["title"], sent["unit"], sent["meaning"], sent["origin"]) == (
            declared.title, declared.unit, declared.meaning, declared.origin,
        )  # fmt: skip
        assert declared.meaning in page.text


@pytest.mark.parametrize("column", LEADERBOARD, ids=lambda column: column.key)
def test_a_column_keeps_its_exact_values_and_unknown_is_null(column: Any) -> None:
    value = {"integer": 4_089_184_257, "number": 80.374, "flag": True, "link": "https://example.org", "text": f"a {column.key}"}[
        column.kind
    ]
    report = report_like([row_like(), row_like()])
    values = pd.array([value, None], dtype=report.leaderboard[column.key].dtype)
    assert decoded(build_table(report.leaderboard.assign(**{column.key: values}), LEADERBOARD), column.key) == [value, None]


def test_a_figure_that_is_not_finite_is_unknown() -> None:
    report = report_like([row_like(imagenet_top1=float("inf")), row_like(imagenet_top1=float("nan"))])
    assert decoded(build_payload(report)["leaderboard"], "imagenet_top1") == [None, None]


def test_the_first_accuracy_with_figures_is_the_first_choice() -> None:
    payload = build_payload(report_like([row_like(macs=1, imagenet_real_top1=80.0, imagenet_a_top1=20.0)]))
    assert [entry["key"] for entry in payload["accuracy"]] == ["imagenet_real_top1", "imagenet_a_top1"]


def test_costs_without_figures_are_not_offered() -> None:
    payload = build_payload(report_like([row_like(params=5)]))
    assert (payload["costs"], payload["cost"], payload["limits"]) == (["params"], "params", ["params"])


def test_a_breakdown_is_sent_as_names_and_figures_of_four_digits() -> None:
    parts = {"conv": (118_013_952, 3_211_264), "norm": (0, 123)}
    sent = build_breakdown(breakdown_like("net", operation=parts, stage={"conv": (10**12, 5)}))
    assert sent == {
        "words": ["conv", "norm"],
        "models": {"timm/net": ["3x224x224", [0, 118, 3.211, 1, 0, 0.000123], [0, 10**6, 5e-6]]},
    }


def test_overview_states_title_versions_totals_convention_warnings_and_sources() -> None:
    rows = [row_like(f"net{n}", macs=n, status=status) for n, status in enumerate(["exact"] * 5 + ["bound"] * 3 + ["failed"] * 2)]
    text = re.sub(r"\s+", " ", _Page(render(report_like(rows, title="My zoo", warnings=("No accuracy for timm.",)))).text)
    for part in (
        "My zoo",
        "2026-11-22 09:30 UTC",
        "timm 1.0.31",
        "convention matmul",
        "No accuracy for timm.",
        "zoometer run configs/default.yaml",
    ):
        assert part in text
    assert "exact5" in text.replace(" ", "")
    assert "bound3" in text.replace(" ", "")
    assert "failed2" in text.replace(" ", "")
    assert "timm results on ImageNet-1k" in text
    assert "googlenet is counted without its auxiliary heads" in text


def test_hostile_text_becomes_neither_markup_nor_script() -> None:
    harmless = _Page(render(report_like([row_like()])))
    page = _Page(render(hostile_report()))
    assert len(page.scripts()) == len(harmless.scripts())
    assert "img" not in {tag for tag, _ in page.elements}
    assert set(HOSTILE) <= set(decoded(page.data()["leaderboard"], "arch"))
    assert all(f"{text}" in page.text for text in HOSTILE if text.strip() == text)


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT ", "<!--", "<script", "a\u2028b", "\r\n"])
def test_scripts_and_data_cannot_end_their_element(text: str) -> None:
    assert not re.search(r"<(/script|!--|script)", safe_script(f"x = '{text}'") + safe_json({text: text}), re.IGNORECASE)
    assert "\r" not in safe_script(text)
    assert json.loads(safe_json({"text": text})) == {"text": text}


def test_an_unknown_figure_is_never_written_as_a_constant_json_lacks() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        safe_json(float("nan"))


def test_policy_allows_nothing_that_is_not_named() -> None:
    assert security_policy([], []).split("; ")[0] == "default-src 'none'"
    assert "unsafe" not in security_policy(["x"], ["y"])


def test_all_our_styles_are_embedded(repository: Path) -> None:
    folder = repository / "reports" / "html" / "page"
    assert {path.stem for path in (folder / "style").glob("*.css")} == set(STYLES)


def test_render_is_deterministic() -> None:
    report = zoo_like(60)
    assert render(report) == render(report)


def test_write_replaces_the_file_as_a_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    report = report_like([row_like(macs=1)])
    write(report, path)
    write(replace(report, title="Second"), path)
    assert "<title>Second</title>" in path.read_text("utf-8")
    assert [entry.name for entry in path.parent.iterdir()] == ["page.html"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR


def test_write_says_what_to_do_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"page\.html cannot be written: .*\. Make the folder writable"):
        write(report_like([]), tmp_path / "file" / "page.html")


def test_a_failed_write_keeps_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(report_like([]), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_names_that_utf8_cannot_hold_do_not_cost_the_report(tmp_path: Path) -> None:
    write(report_like([row_like()], title="odd \ud800 name"), tmp_path / "page.html")
    assert "odd ? name" in (tmp_path / "page.html").read_text("utf-8")


def test_a_report_with_two_thousand_rows_stays_small() -> None:
    assert len(render(zoo_like(2400)).encode()) < 4_000_000
