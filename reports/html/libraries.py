"""The JavaScript libraries the page carries, taken from installed Python packages.

DataTables comes from itables, Vega from vl-convert. Bundling Vega takes one to three seconds, so the result is kept in the
user's cache folder, named by vl-convert's version and checked by its own hash.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import uuid
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pooch
import vl_convert

from zoo.errors import OutputError

_log = logging.getLogger(__name__)

# The page learns that Vega is there by this event; the table does not wait for it.
_VEGA_SNIPPET = "window.vegaEmbed = vegaEmbed; window.dispatchEvent(new Event('vega-ready'));"
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


def load_vega(cache: Path | None = None) -> str:
    """Vega, Vega-Lite and vega-embed as a script that sets `window.vegaEmbed` and then fires `vega-ready`.

    Args:
        cache: where the bundle is kept; the user's cache folder unless told.
    """
    key = hashlib.sha256(_VEGA_SNIPPET.encode()).hexdigest()[:8]
    folder = cache or Path(pooch.os_cache("zoometer"))
    kept = folder / f"vega-{version('vl-convert-python')}-{key}.js"
    bundle = _read_kept(kept)
    if bundle is None:
        bundle = vl_convert.javascript_bundle(_VEGA_SNIPPET)
        _keep(kept, bundle)
    return bundle


def _read_kept(path: Path) -> str | None:
    """The bundle kept at `path`, or None where there is none or it is damaged."""
    try:
        digest, _, bundle = path.read_text("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return bundle if digest == _digest_line(bundle) else None


def _keep(path: Path, bundle: str) -> None:
    """Write the bundle with its hash; a cache that cannot be written costs time, not the report."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(f"{_digest_line(bundle)}\n{bundle}", "utf-8", newline="\n")
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.debug("The chart library is bundled anew for each report: %s cannot be written (%s).", path, error)


def _digest_line(bundle: str) -> str:
    return "// sha256 " + hashlib.sha256(bundle.encode()).hexdigest()


def _unknown_form(package: str) -> OutputError:
    return OutputError(
        f"The page cannot use {package} {version(package)}: its script has a form this version of zoometer does not know. "
        f"Install the {package} release that zoometer's requirements name: pip install --upgrade zoometer."
    )
