"""The command `zoometer`: verbs parse, call and print; everything else is done by the libraries below them."""

from __future__ import annotations

from reports.cli.verbs import app, main

__all__ = ["app", "main"]
