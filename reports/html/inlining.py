"""Putting scripts, styles and data into one HTML file so that nothing in them can become markup or another script.

The page carries a content-security policy that names the hash of every script and style; whatever a model's name or an error
message contains, the browser runs only those. Data travels as JSON in blocks that are never executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

_SCRIPT_BREAKERS = re.compile(r"<(?=!--|/?script)", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n?")  # a browser reads them as \n, and hashes what it read
_STYLE_BREAKERS = re.compile(r"<(?=/style)", re.IGNORECASE)


def safe_script(text: str) -> Markup:
    """A script whose text cannot end or confuse the `<script>` element around it.

    The three sequences that matter can stand in JavaScript only inside strings, templates, patterns and comments, where the
    escape means the same character.
    """
    return Markup(_SCRIPT_BREAKERS.sub(r"\\x3C", _LINE_ENDS.sub("\n", text)))


def safe_style(text: str) -> Markup:
    """A style sheet whose text cannot end the `<style>` element around it."""
    return Markup(_STYLE_BREAKERS.sub(r"\\3c ", _LINE_ENDS.sub("\n", text)))


def safe_json(value: Any) -> Markup:
    """JSON that holds no `<`, and neither of the two line separators that older engines reject.

    Raises:
        ValueError: if a number is not finite; unknown is null.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def source_hash(text: str) -> str:
    """The policy's name for a script or style with exactly this text between its tags."""
    return "'sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def security_policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Nothing is allowed but these scripts and styles: no host, no frame, no form, no plug-in."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(source_hash, scripts))}",
            f"style-src {' '.join(map(source_hash, styles))}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
