"""The limits of the first sheet, the picks within them, and the sheet of configured budgets."""
