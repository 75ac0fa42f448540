"""`zoometer schedule`: print what makes a scheduler refresh the cache every day."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common.help import examples
from reports.cli.keep.refresh import FAIL_ON, config_name, parse_fail_on
from zoo.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from reports.cli.common.schedule_files import Schedule

EXAMPLES = examples(
    "zoometer schedule systemd nightly.yaml --output /etc/systemd/system",
    "(crontab -l; zoometer schedule cron nightly.yaml) | crontab -",
    "zoometer schedule github nightly.yaml --output .github/workflows",
    "zoometer schedule kubernetes nightly.yaml | kubectl apply -f -",
)


class Scheduler(StrEnum):
    """What runs commands at their time."""

    SYSTEMD = "systemd"
    CRON = "cron"
    GITHUB = "github"
    KUBERNETES = "kubernetes"


def schedule(
    scheduler: Annotated[
        Scheduler, typer.Argument(metavar="SCHEDULER", help="systemd, cron, github or kubernetes.", show_default=False)
    ],
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file to refresh by.", show_default=False)],
    at: Annotated[
        str, typer.Option(metavar="HH:MM", help="Time of day; UTC for GitHub, the cluster's for Kubernetes.")
    ] = "03:30",
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KINDS", help=f"Let the refresh fail on changes: {', '.join(FAIL_ON)}.", show_default=False),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Kubernetes: an image with zoometer. Default: a Python image that installs it.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write files there instead.", show_default=False)
    ] = None,
) -> None:
    """Print a unit, a line, a workflow or a manifest that works as it is: one refresh a day, in this folder."""
    from reports.cli.common.schedule_files import Schedule
    from reports.config.config import load_config

    hour, minute = _time_of_day(at)
    parse_fail_on(fail_on)
    plan = Schedule(config_name(config), Path.cwd(), load_config(config).cache, hour, minute, fail_on, image)
    files = _files(scheduler, plan, config)
    if output is not None:
        _write(output, files)
    elif len(files) == 1:
        typer.echo("".join(files.values()), nl=False)
    else:  # as `systemctl cat` shows several files
        typer.echo("\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in files.items()), nl=False)


def _files(scheduler: Scheduler, plan: Schedule, config: Path) -> dict[str, str]:
    from reports.cli.common import schedule_files as schedules

    match scheduler:
        case Scheduler.SYSTEMD:
            return schedules.systemd_units(plan)
        case Scheduler.CRON:
            return {f"{plan.name}.cron": schedules.cron_line(plan)}
        case Scheduler.GITHUB:
            return {f"{plan.name}.yaml": schedules.github_workflow(plan)}
        case Scheduler.KUBERNETES:
            return {f"{plan.name}.yaml": schedules.kubernetes_manifest(plan, config.read_text(encoding="utf-8"))}


def _time_of_day(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if match is None:
        raise ConfigError(f"'{text}' is no time of day. Write hours and minutes: 03:30.")
    return int(match[1]), int(match[2])


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {folder / name}")
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written to: {error.strerror}. Choose another folder.") from error
