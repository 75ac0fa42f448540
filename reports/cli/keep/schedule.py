"""`zoometer schedule`: print the files that make a scheduler refresh the cache every night."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from reports.cli.common.help import examples
from reports.cli.common.shipped_files import shipped_text
from zoo.errors import OutputError

EXAMPLES = examples(
    "zoometer schedule systemd --output /etc/systemd/system",
    "(crontab -l; zoometer schedule cron) | crontab -",
    "zoometer schedule github --output .github/workflows",
    "zoometer schedule kubernetes | kubectl apply -f -",
)


Scheduler = Literal["systemd", "cron", "github", "kubernetes"]

FILES: Mapping[Scheduler, tuple[str, ...]] = {
    "systemd": ("zoometer-nightly.service", "zoometer-nightly.timer"),
    "cron": ("zoometer-nightly.cron",),
    "github": ("zoometer-nightly.github.yaml",),
    "kubernetes": ("zoometer-nightly.kubernetes.yaml",),
}
"""The files of each scheduler, in `configs/schedule/`."""


def schedule(
    scheduler: Annotated[Scheduler, typer.Argument(metavar="SCHEDULER", help="systemd, cron, github or kubernetes.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write files there instead.")] = None,
) -> None:
    """Print example files for a nightly refresh: set the folder and the configuration in them to your own."""
    texts = {name: shipped_text(f"schedule/{name}") for name in FILES[scheduler]}
    if output is None:
        typer.echo("\n".join(texts.values()), nl=False)
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (output / name).write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {output / name}")
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written to: {error.strerror}. Choose another folder.") from error
