"""Devices: what their makers publish, each figure with its source."""
