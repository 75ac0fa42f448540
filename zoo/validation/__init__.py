"""Comparison of estimates with measurements: metrics, held-out validation, calibration of a device."""
