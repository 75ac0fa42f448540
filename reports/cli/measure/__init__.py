"""Verbs about measured and estimated speed."""
