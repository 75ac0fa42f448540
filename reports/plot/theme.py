"""Colours and sizes of pictures: those of the page, so that a family looks alike in both."""

from __future__ import annotations

from dataclasses import dataclass

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


LIGHT = Theme(
    surface="#ffffff",
    ink="#17202b",
    muted="#566374",
    line="#dde2e9",
    faint="#b4bcc8",
    accent="#1d5fc4",
    families=("#2f6fc1", "#d0651a", "#23895a", "#b2429a", "#7659cc", "#9a7408", "#13899a", "#c43f4c"),
    others="#7f8a99",
)
DARK = Theme(
    surface="#161d26",
    ink="#e7ecf2",
    muted="#9dabbb",
    line="#2b3644",
    faint="#4d5a6a",
    accent="#82b4ff",
    families=("#6ea8f7", "#f09a57", "#5cc492", "#e383cf", "#ad97f5", "#d9b53d", "#4fc3d4", "#f5828c"),
    others="#8793a3",
)


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture is to look."""

    width_px: int = 1600
    height_px: int = 900
    is_dark: bool = False
    title: str | None = None  # None: what is drawn
    most_labels: int = 15

    @property
    def theme(self) -> Theme:
        """Its colours."""
        return DARK if self.is_dark else LIGHT
