"""Measured latency: on this machine, and imported from tables of others."""
