"""Comparison of estimates on platforms with published measurements, and the fit of their constants."""
