"""Colours of pictures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from reports.plot.theme import read_theme


def test_a_picture_has_the_colours_of_the_pages_style_sheet(repository: Path) -> None:
    sheet = (repository / "reports/html/page/style/tokens.css").read_text("utf-8")
    light, dark = asdict(read_theme(is_dark=False)), asdict(read_theme(is_dark=True))
    series = [f"series-{number}" for number in range(1, 9)]
    names = {"others": "series-other"} | {name: name for name in light if name not in ("families", "others")}
    pairs = [(token, light[name], dark[name]) for name, token in names.items()]
    pairs += zip(series, light["families"], dark["families"], strict=True)
    for token, on_light, on_dark in pairs:
        assert f"--{token}: light-dark({on_light}, {on_dark});" in sheet
