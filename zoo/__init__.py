"""Facts about vision models: what exists, what it costs, how good it is."""
