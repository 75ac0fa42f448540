"""Colours and sizes of pictures: those of the page, so that a family has the same colour in both."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

INCHES_WIDE = 10
"""Fonts and points have their size on a picture this wide; more pixels make it finer, not emptier."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of the page's tokens.css, light or dark."""

    surface: str
    ink: str
    muted: str
    line: str
    faint: str
    accent: str
    families: tuple[str, ...]
    others: str


_TOKENS = Path(__file__).parents[1] / "html" / "page" / "style" / "tokens.css"


@functools.cache
def read_theme(*, is_dark: bool) -> Theme:
    """The colours of one theme, from the style sheet of the page: `--name: light-dark(#light, #dark);`."""
    tokens = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", _TOKENS.read_text("utf-8"))
    colours = {name: dark if is_dark else light for name, light, dark in tokens}
    families = tuple(colours[f"series-{number}"] for number in range(1, 9))
    names = ("surface", "ink", "muted", "line", "faint", "accent")
    return Theme(**{name: colours[name] for name in names}, families=families, others=colours["series-other"])


@dataclass(frozen=True, slots=True)
class Style:
    """Size, colours, title and labels of a picture."""

    width_px: int = 1600
    height_px: int = 900
    is_dark: bool = False
    title: str | None = None  # None: what is drawn
    most_labels: int = 15

    @property
    def theme(self) -> Theme:
        """Its colours."""
        return read_theme(is_dark=self.is_dark)
