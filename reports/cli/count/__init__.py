"""Verbs that list, count and check models."""
