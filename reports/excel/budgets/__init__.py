"""The sheet Budgets: limits to type in, and live answers."""
