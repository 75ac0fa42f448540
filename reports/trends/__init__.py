"""What changed over the runs of a cache: frontiers, the best accuracy within budgets, accuracies and measured speeds."""
