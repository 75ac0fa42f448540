"""The audits of a configuration: published tables held against the counts, as a report shows them.

Apart from the rest of a report, because what counts models is slow to import.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.audit import wording
from reports.audit.audit import Audit, audit
from reports.audit.counts import CachedCounts
from reports.audit.tables import Column, Row, read_csv, rows_of
from reports.audit.verdicts import Verdict
from reports.config.config import AuditSection, Config
from reports.leaderboard.leaderboard import typed
from reports.leaderboard.report_parts import AUDIT, PublishedAudit
from zoo.adapters.base import Zoo
from zoo.adapters.registry import open_zoo
from zoo.cache.store import Store
from zoo.errors import AuditError
from zoo.refresh.fill_missing import list_architectures


def read_published(section: AuditSection) -> tuple[str, Zoo, list[Row]]:
    """Title, zoo and rows of a table to audit: the one that is named, or what the zoo itself publishes.

    Raises:
        ZooError: if the zoo is not installed or publishes nothing, or the table cannot be read.
    """
    zoo = open_zoo(section.zoo)
    if section.against is not None:
        return Path(section.against).name, zoo, read_csv(section.against, [Column.parse(text) for text in section.columns])
    rows = rows_of(zoo.published_costs())
    if not rows:
        raise AuditError(f"{zoo.name} publishes no costs with its weights. Name a table in `audit`: against: table.csv.")
    return f"{zoo.name} {zoo.version()}, metadata of the weights", zoo, rows


def run_audit(config: Config, section: AuditSection, *, may_count: bool) -> PublishedAudit:
    """One audit; where nothing may be counted, a model that the cache lacks is unknown.

    Raises:
        ZooError: if the table or the cache cannot be read, or models cannot be counted.
    """
    title, zoo, rows = read_published(section)
    counts = CachedCounts(config.cache, config.refresh_settings().execution, may_count=may_count)
    kept = [architecture for architecture in Store(config.cache).architectures() if architecture.zoo == zoo.name]
    architectures = list_architectures(config.cache, [zoo.name]) if may_count or not kept else kept
    return _as_table(audit(rows, title=title, zoo=zoo.name, architectures=architectures, aliases=zoo.aliases(), counts=counts))


def _as_table(found: Audit) -> PublishedAudit:
    return PublishedAudit(
        title=found.title,
        zoo=found.zoo,
        counts_as=wording.manner_text(found),
        verdicts={verdict.value: found.count(verdict) for verdict in Verdict if found.count(verdict)},
        causes=tuple(("; ".join(causes), rows) for causes, rows in found.causes),
        rows=typed(pd.DataFrame(wording.records(found)), AUDIT),
    )
