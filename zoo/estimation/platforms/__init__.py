"""Estimates on platforms: phones, accelerators and boards, fitted to published measurements."""
