"""Every column of every report, and what is decided by columns alone.

`column` is the type; `accuracy_columns`, `leaderboard_columns`, `budget_columns` and `section_columns` declare the columns.
"""
