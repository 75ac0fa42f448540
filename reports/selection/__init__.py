"""Which model to pick within limits."""
