"""`--fail-on`: the kinds of changes at which a verb ends with exit code 4."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.errors import ConfigError, did_you_mean

FAIL_ON = {"added": "added", "removed": "removed", "changed": "changed", "failed": "broken", "recovered": "recovered"}
"""What `--fail-on` may name, and the figure of a run's summary that counts it."""

FailOnOption = Annotated[
    str | None,
    typer.Option(
        "--fail-on", metavar="KINDS", help=f"End with code 4 if there are any: {', '.join(FAIL_ON)}.", show_default=False
    ),
]


def parse_fail_on(text: str | None) -> list[str]:
    """The kinds of changes named, separated by commas.

    Raises:
        ConfigError: if there is no such kind.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in FAIL_ON:
            raise ConfigError(f"--fail-on knows no '{name}'.{did_you_mean(name, FAIL_ON)}")
    return names
