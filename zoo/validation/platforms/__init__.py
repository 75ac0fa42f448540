"""Estimates on platforms held against published measurements, and the fit of their constants."""
