"""CSV that commands print: figures as they are, and no text that a spreadsheet would run."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from reports.exports.csv_text import csv_text
from reports.exports.safe_text import guarded


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+1=2"])
def test_what_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert guarded(text)[0] == "'"


@pytest.mark.parametrize("text", ["-3.0%", "+1", "-2.5e-3", "", "resnet50", "a=b", "1-2"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


def test_a_table_keeps_its_figures_and_headings() -> None:
    table = pd.DataFrame(
        {
            "model": ["=1+1", None, "net"],
            "macs": pd.array([-5, None, 7], "Int64"),
            "share": [-0.5, float("nan"), 1.5],
            "mixed": ["@a", -2, None],
        }
    )
    read = pd.read_csv(io.StringIO(csv_text(table)))
    assert read["model"].tolist()[::2] == ["'=1+1", "net"]
    assert read["mixed"].tolist()[:2] == ["'@a", "-2"]
    assert read["macs"].dropna().tolist() == [-5, 7]
    assert read["share"].dropna().tolist() == [-0.5, 1.5]
    assert table["model"][0] == "=1+1"  # the table itself is left alone
