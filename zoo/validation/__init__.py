"""Estimates held against measurements: metrics, held-out validation, calibration of a device."""
