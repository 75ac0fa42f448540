"""The sheets *Columns* and *About*: what each figure means and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.columns.column import Column
from reports.excel.sheets.changes_and_audits import explain_audit
from reports.excel.sheets.model_tables import write_section
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book, TableSpec, prose_height, write_table
from reports.excel.writer.text import sheet_name
from reports.exports.safe_text import is_web_address

CONVENTIONS = {
    "matmul": "Convolutions, linear layers, matrix products and attention: what papers, torchvision and timm mean by GMACs or, wrongly named, GFLOPs.",
    "fvcore": "The operations fvcore's FlopCountAnalysis includes; timm publishes these totals.",
    "all": "Every arithmetic operation.",
}
WORDS = (
    ("MAC", "One multiply-accumulate. 1 MAC = 2 FLOPs. Both are amounts of work."),
    ("GFLOP/s", "A rate: the work of a device per second, not an amount. This workbook has none."),
    ("Activations", "Elements written by convolutions and matrix products: a figure of memory traffic."),
    ("Peak memory", "The most bytes of activations alive at one moment of inference, batch 1, float32. Input, weights and scratch inside kernels are not in it."),
    ("Input", "The shape counted at, without the batch: channels x height x width. Figures of different inputs are different rows."),
    ("Frontier", "The models for which no other of the same task is at least as accurate with fewer MACs."),
    ("exact, bound, failed", "exact: every operation accounted for. bound: an assumption is named. failed: not counted; an unknown figure is an empty cell, never 0."),
    ("M, G, MB", "Decimal: 1 M = 1,000,000, 1 G = 1,000,000,000, 1 MB = 1,000,000 bytes. Cells hold the exact number; only its format is in the unit of the header."),
)  # fmt: skip
_NOTES = "Notes"
_WIDTHS = (36, 74, 56, 12)  # characters
_COLUMNS = (
    Column("title", "Column", "Heading in this workbook.", "declared", width=26),
    Column("unit", "Unit", "Unit of the figure as shown.", "declared", width=9),
    Column("meaning", "Meaning", "What the figure is, and what it leaves out.", "declared", width=96),
    Column("origin", "Origin", "Where the figure comes from.", "declared", width=48),
    Column("export_name", "Name in exports", "Name of the exact figure in CSV, JSON and Parquet.", "declared", width=30),
)


def write_columns(book: Book) -> None:
    """A row for each column of this workbook."""
    rows = [(c.header, c.unit, c.meaning, c.origin, c.export_name) for c in book.columns.values()]
    table = pd.DataFrame(rows, columns=[c.key for c in _COLUMNS]).replace("", pd.NA)
    name = sheet_name("Columns", book.taken)
    write_table(book, TableSpec(name, "Columns", "Meaning, unit and origin of every column", _COLUMNS, table))


def write_about(book: Book) -> None:
    """Provenance, conventions, sources and licences."""
    page = book.add_sheet(sheet_name("About", book.taken), "Provenance, conventions, sources and licences")
    for place, width in enumerate(_WIDTHS):
        page.set_width(place, place, width)
    page.put(0, 0, "About this workbook", bold=True, size=16)
    row = 2
    for title, lines in _about_sections(book).items():
        row = _write_about_section(page, row, title, lines)
        if title != _NOTES:  # there can be hundreds of notes
            page.print_on(row - 2, len(_WIDTHS) - 1)


def _about_sections(book: Book) -> dict[str, list[tuple[str, ...]]]:
    """The lines of each section, in the order of the sheet."""
    report = book.report
    made = [("Made", f"{report.created_at:%Y-%m-%d %H:%M %Z}".strip()), ("Made with", report.command or "not stated")]
    sources: list[tuple[str, ...]] = [(s.name, s.address, s.note, s.retrieved_at) for s in report.sources]
    return {
        "Provenance": [*made, *((f"Version of {name}", version) for name, version in report.versions.items())],
        "Convention of MACs and FLOPs": [(report.convention, CONVENTIONS.get(report.convention, "See the documentation."))],
        "Sources of published figures (address, note, retrieved)": sources or [("none", "This report has no published figures.")],
        "Changes": [(report.changes.heading, str(report.changes))] if report.changes else [],
        "Audits": [(f"{audit.title}, {audit.zoo}", explain_audit(audit)) for audit in report.audits],
        "Speed": [(speed.device.name, f"{speed.run.describe()}. {speed.note}".rstrip()) for speed in report.device_speeds],
        "Words": list(WORDS),
        "Warnings": [("", text) for text in (*report.warnings, *book.notices)],
        "Licences of the weights": _count_licences(report.leaderboard),
        _NOTES: [("", text) for text in report.notes],
    }


def _count_licences(leaderboard: pd.DataFrame) -> list[tuple[str, ...]]:
    weights = leaderboard.drop_duplicates("model")["license"]
    counts = weights.fillna("not stated by the zoo").value_counts()
    note = [("", "As the zoos state them; the figures here carry none of the weights. Check the model card before you use one.")]
    return [*note, *((str(name), f"{count:,} sets of weights") for name, count in counts.items())]


def _write_about_section(page: Page, first: int, title: str, lines: Sequence[tuple[str, ...]]) -> int:
    """Write a heading and its lines, if there are any, and return the row after them."""
    if not lines:
        return first
    top = write_section(page, first, title, len(_WIDTHS) - 1)
    for row, line in enumerate(lines, start=top):
        for place, text in enumerate(line):
            link = text if is_web_address(text) else None
            page.put(row, place, text, link=link, bold=place == 0, wrap=True, valign="top")
        page.heights[row] = max(prose_height(len(text), width) for text, width in zip(line, _WIDTHS, strict=False))
    return top + len(lines) + 1
