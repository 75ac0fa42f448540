"""An audit in words, and as records for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reports.audit.audit import Audit
from reports.audit.compare import Difference
from reports.audit.figures import QUANTITIES
from reports.audit.readings import describe
from reports.audit.verdicts import Judged, Verdict


def manner_text(audit: Audit) -> str:
    """How a table counts, and how sure that is."""
    manner = audit.manner
    of = f"{manner.agreeing} of {manner.judged} rows agree"
    second = f"; next best, {describe(manner.runner_up)}, {manner.runner_up_agreeing}" if manner.runner_up else ""
    sure = "" if manner.is_sure else "; not sure"
    return f"{describe(manner.counting)}{' of re-parameterised models' if manner.variant != 'train' else ''} ({of}{second}{sure})"


def why(row: Judged) -> str:
    """The causes, the nearest candidates, or why nothing can be said."""
    match row.verdict:
        case Verdict.EXPLAINED:
            return ", or ".join("; ".join(causes) for causes in row.explanations)
        case Verdict.UNEXPLAINED:
            return "nearest: " + "; ".join(
                c.says if c.excess == 0 else f"{c.says} ({c.excess:+.1%})" for c in row.nearest
            )  # fmt: skip
        case Verdict.UNKNOWN:
            return row.reason
        case _:
            return ""


def records(audit: Audit) -> list[dict[str, Any]]:
    """A record a row, figures in MACs, parameters and elements."""
    return [_record(row) for row in audit.rows]


def _record(row: Judged) -> dict[str, Any]:
    key = row.published.key
    figures: dict[str, Any] = {}
    for quantity in QUANTITIES:
        figure = row.published.figures.get(quantity)
        figures[f"published_{quantity}"] = None if figure is None else float(figure.middle)
        figures[f"counted_{quantity}"] = row.counted.get(quantity)
    return {
        "line": row.published.line,
        "model": row.published.name,
        "zoo": key.zoo if key else None,
        "arch": key.arch if key else None,
        "input": key.input if key else None,
        "verdict": row.verdict.value,
        **figures,
        "why": why(row),
    }


def document(audit: Audit) -> dict[str, Any]:
    """The whole audit for a program."""
    manner = audit.manner
    return {
        "title": audit.title,
        "zoo": audit.zoo,
        "counts_as": {
            "description": describe(manner.counting),
            "variant": str(manner.variant),
            "agreeing_rows": manner.agreeing,
            "judged_rows": manner.judged,
            "is_sure": manner.is_sure,
            "next_best": describe(manner.runner_up) if manner.runner_up else None,
            "next_best_agreeing_rows": manner.runner_up_agreeing,
        },
        "verdicts": {verdict.value: audit.count(verdict) for verdict in Verdict},
        "causes": [{"causes": list(found), "rows": rows} for found, rows in audit.causes],
        "rows": records(audit),
    }


def difference_records(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """A record a model and input that two tables differ on."""
    return [
        {
            "first": _record(difference.first),
            "second": _record(difference.second),
            "verdict": difference.verdict.value,
            "causes": list(difference.causes),
        }
        for difference in found
    ]
