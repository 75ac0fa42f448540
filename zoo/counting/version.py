"""Versions of the counter and the tracer, in a module that does not import torch."""

COUNTER_VERSION = "3"
"""Increased whenever a count could change; cached costs of another version are counted again."""

TRACER_VERSION = "4"
"""The same for traces and workloads. They also depend on the version of the counter, because they contain MACs."""
