"""Records the operator calls of a forward pass: the dispatch mode that counting and tracing share."""
