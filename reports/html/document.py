"""One HTML file that opens offline: a template with its styles and its scripts, and a policy that admits nothing else."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from reports.exports.files import replacing
from reports.html.inlining import safe_script, safe_style, security_policy


def read_resource(name: str) -> str:
    """The text of a file of this package, by its path from `reports/html`."""
    return files("reports.html").joinpath(*name.split("/")).read_text("utf-8")


def render_document(template: str, *, styles: tuple[str, ...], script: str = "", **shown: Any) -> str:
    """The document as text.

    Args:
        template: name of a template that extends `page/base.html.j2`.
        styles: names of style sheets in the order they are joined: a later one builds on an earlier one.
        script: of the document, besides that of the theme.
        shown: what the template shows.
    """
    theme, own = safe_script(read_resource("page/script/theme.js")), safe_script(script)
    style = safe_style("\n".join(map(read_resource, styles)))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    policy = security_policy([theme, own] if own else [theme], [style])
    return environment.get_template(template).render(theme=theme, script=own, style=style, policy=policy, **shown)


def write_document(text: str, path: Path) -> None:
    """Write a document, all of it or nothing: a reader never sees half a file.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    with replacing(path) as temporary:
        # A name may contain characters that UTF-8 cannot encode; the report is written nevertheless.
        temporary.write_text(text, "utf-8", errors="replace", newline="\n")
