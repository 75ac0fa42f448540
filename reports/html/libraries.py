"""The JavaScript library the page carries: DataTables, taken from the installed itables."""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.resources import files

from zoo.errors import OutputError

_EXPORT = re.compile(r"export\s*\{([^{}]*)\}\s*;?")


def load_datatables() -> str:
    """DataTables and jQuery as a script that sets `window.DataTable` and `window.jQuery`, licence notices included.

    itables ships an ES module; its single export statement becomes two assignments.

    Raises:
        OutputError: if the installed itables has another form.
    """
    text = (files("itables") / "html" / "dt_bundle.js").read_text("utf-8")
    exports = list(_EXPORT.finditer(text))
    if not exports:
        raise _unknown_form("itables")
    last = exports[-1]
    pairs = (part.strip().partition(" as ") for part in last[1].split(","))
    names = {public or local: local for local, _, public in pairs}
    if not {"default", "jQuery"} <= names.keys():
        raise _unknown_form("itables")
    assignments = f"window.DataTable={names['default']};window.jQuery={names['jQuery']};"
    return text[: last.start()] + assignments + text[last.end() :]


def _unknown_form(package: str) -> OutputError:
    return OutputError(
        f"The page cannot use {package} {version(package)}: its script has a form this version of zoometer does not know. "
        f"Install the {package} release that zoometer's requirements name: pip install --upgrade zoometer."
    )
