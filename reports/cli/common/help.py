"""Help pages that end with examples, which most readers look at first and often only."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


def examples(*lines: str, closing: str = "") -> str:
    """The closing part of a help page: what can be typed, and what else has to be known."""
    return "\n".join(["", " Examples:", "", *(f"   {line}" for line in lines), *(["", f" {closing}"] if closing else []), ""])


def verb_with(shown: str) -> type[TyperCommand]:
    """A command class whose help ends with these examples. typer's own epilog would join their lines or set them apart."""

    class Verb(TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:
            super().format_help(ctx, formatter)
            formatter.write(shown)

    return Verb
