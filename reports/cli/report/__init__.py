"""Verbs that write reports."""
