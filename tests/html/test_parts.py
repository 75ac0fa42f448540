"""The page's sections beside the leaderboard: budgets, changes, audits."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from fakes_excel import audited, changed, make_report, with_budgets
from fakes_html import report_like

from reports.html import render
from reports.html.side_tables import coverage_groups, group_notes, parts_of, unmatched_groups
from reports.leaderboard.report import Report

HOSTILE = "<img src=x onerror=alert(1)></script>"


class _Cells(HTMLParser):
    """The tables of the sections, as a browser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "table" and ("class", "plain part-table") in attrs:
            self.tables.append([])
        if tag == "tr" and self.tables:
            self.tables[-1].append([])
        if tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def report() -> Report:
    return with_budgets(make_report())


def sections(page: str) -> str:
    return page[page.index('class="card part fold"') : page.index('id="coverage-title"')]


def test_every_budget_names_what_fits_and_what_binds(report: Report) -> None:
    page = unescape(sections(render(report)))
    for answer in report.budgets:
        assert f"Budget {answer.name}" in page
        assert all(sentence in page for sentence in (*answer.limits, *answer.reasons, *answer.relaxations, *answer.notes))
        for row in answer.selection.fitting[:10]:
            assert str(answer.selection.table["model"].iloc[row]) in page


def test_what_changed_is_listed_with_its_figures_and_cause(report: Report) -> None:
    assert report.changes is not None
    (part,) = [part for part in parts_of(report) if part.title.startswith("Changes")]
    assert part.lines == (report.changes.heading, "1 changed, 1 failed, 1 added, 97 unchanged")
    (listing,) = part.listings
    assert [column.key for column in listing.columns][:2] == ["arch", "kind"]
    assert [row[1] for row in listing.rows] == ["changed", "failed"]  # what was added is counted above
    assert {"4,000,000,017", "5,000,000,019", "25.00", "timm 1.0.30 → 1.0.31"} <= set(listing.rows[0])


def test_an_audit_lists_the_rows_that_do_not_simply_agree(report: Report) -> None:
    (part,) = [part for part in parts_of(report) if part.title.startswith("Audit")]
    (listing,) = part.listings
    assert [row[:2] for row in listing.rows] == [["net_c", "unexplained"], ["net_b", "explained"]]
    assert "1 explained by: attention is not counted" in part.lines
    page = unescape(re.sub(r"<[^>]*>", " ", sections(render(report))))
    assert all(cell in page for row in listing.rows for cell in row)


def test_a_report_without_them_has_no_such_sections() -> None:
    bare = make_report(changes=None, audits=())
    assert parts_of(bare) == []
    assert 'class="card part fold"' not in render(bare)


def test_hostile_text_stays_text() -> None:
    report = make_report(
        changes=dataclasses.replace(changed((HOSTILE, HOSTILE, HOSTILE)), heading=HOSTILE),
        audits=(dataclasses.replace(audited((HOSTILE, HOSTILE, HOSTILE)), title=HOSTILE),),
    )
    found = _Cells(sections(render(report)))
    assert "img" not in found.tags
    assert any(HOSTILE in cell for table in found.tables for row in table for cell in row)


def test_notes_that_say_the_same_stand_together() -> None:
    notes = ["timm/a: is odd.", "Accuracy: that of yesterday.", "timm/b: is odd.", "timm/c: is even.", "Two words: is odd."]
    assert group_notes(notes) == [
        "timm/a, timm/b: is odd.",
        "Accuracy: that of yesterday.",
        "timm/c: is even.",
        "Two words: is odd.",
    ]


def test_long_lists_are_cut_and_say_so() -> None:
    changes = changed()
    many = dataclasses.replace(changes, rows=changes.rows.iloc[[0] * 250])
    (part, *_) = parts_of(make_report(changes=many))
    assert (len(part.listings[0].rows), part.listings[0].left_out) == (200, 50)


def test_what_was_not_counted_stands_by_reason_failures_first() -> None:
    reasons = [("bound", "top_k counted as 0"), ("failed", "build: odd"), ("failed", "input: too small"), ("bound", None)]
    rows = [
        {"zoo": "timm", "arch": f"net{number}", "input": "3x32x32" if number % 2 else None, "status": status, "reason": reason}
        for number, (status, reason) in enumerate([*reasons, reasons[0], reasons[0], reasons[2]])
    ]
    groups = coverage_groups(report_like([], coverage=rows).coverage)
    assert [(group.label, group.reason, group.status, len(group.names)) for group in groups] == [
        ("input does not fit", "too small", "", 2),
        ("failed", "build: odd", "failed", 1),
        ("bound", "top_k counted as 0", "bound", 3),
        ("bound", "", "bound", 1),
    ]
    assert groups[0].names == ["timm/net2", "timm/net6"]
    assert groups[1].names == ["timm/net1 at 3x32x32"]


def test_a_long_group_of_results_without_a_model_is_cut() -> None:
    lost = [{"source": "a.csv", "name": f"net{n}", "input": None, "reason": "unknown"} for n in range(1301)]
    report = report_like([], unmatched=lost)
    (group,) = unmatched_groups(report.unmatched)
    assert len(group.names) == 1301
    page = render(report)
    assert page.count("<li><bdi>net") == 300
    assert "<p>and 1,001 more</p>" in page
