"""Workloads: the distinct calls of a trace as flat rows, from which any batch and any device can be estimated."""
