"""`zoometer version`: which releases would count, read from package metadata so that nothing heavy is imported."""

from __future__ import annotations

import platform
from importlib import metadata

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.output import print_json

EXAMPLES = examples("zoometer version", "zoometer --version           only zoometer's own")

# What a count, or its rendering, depends on.
_LIBRARIES = ("torch", "torchvision", "timm", "pandas", "pyarrow")


def version(form: options.Form = "text") -> None:
    """Print the versions of zoometer, Python and the libraries a count depends on."""
    found = {"zoometer": _version_of("zoometer"), "python": platform.python_version()}
    found |= {name: _version_of(name) for name in _LIBRARIES}
    if form == "json":
        print_json(found)
        return
    width = max(map(len, found))
    for name, number in found.items():
        typer.echo(f"{name:<{width}}  {number}")


def version_line() -> str:
    """`zoometer 0.1.0`."""
    return f"zoometer {_version_of('zoometer')}"


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
