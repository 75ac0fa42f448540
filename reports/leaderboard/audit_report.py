"""The audits of a configuration: published tables compared with the counts, as a report shows them.

Apart from the rest of a report, because what counts models is slow to import.
"""

from __future__ import annotations

import pandas as pd

from reports.audit.cached_counter import CachedCounter
from reports.audit.published_table import ColumnMapping, PublishedRow, read_published
from reports.audit.records import row_records
from reports.columns.section_columns import AUDIT
from reports.columns.table_rows import typed_table
from reports.config.config import AuditSection, Config
from reports.leaderboard.report import AuditReport
from zoo.adapters.base import Zoo
from zoo.adapters.registry import open_zoo
from zoo.cache.store import Store
from zoo.refresh.fill_missing import list_architectures


def read_section(section: AuditSection) -> tuple[Zoo, str, list[PublishedRow]]:
    """Zoo, title and rows of a configured audit.

    Raises:
        ZooError: if the zoo is not installed or publishes nothing, or the table cannot be read.
    """
    zoo = open_zoo(section.zoo)
    return zoo, *read_published(zoo, section.against, map(ColumnMapping.parse, section.columns))


def build_audit_report(config: Config, section: AuditSection, *, may_count: bool) -> AuditReport:
    """One audit; where nothing may be counted, a model that the cache lacks is unknown.

    Raises:
        ZooError: if the table or the cache cannot be read, or models cannot be counted.
    """
    zoo, title, rows = read_section(section)
    counter = CachedCounter(config.cache, config.refresh_settings().execution, may_count=may_count)
    cached = [architecture for architecture in Store(config.cache).architectures() if architecture.zoo == zoo.name]
    architectures = list_architectures(config.cache, [zoo.name]) if may_count or not cached else cached
    audit = counter.audit(rows, title, zoo, architectures)
    return AuditReport(
        title=audit.title,
        zoo=audit.zoo,
        counts_as=str(audit.convention),
        verdicts={verdict.value: rows for verdict, rows in audit.verdicts.items() if rows},
        causes=tuple(("; ".join(causes), rows) for causes, rows in audit.causes),
        rows=typed_table(pd.DataFrame(row_records(audit)), AUDIT),
    )
