"""The leaderboard as an Excel workbook."""

from reports.excel.workbook import write

__all__ = ["write"]
