"""Verbs that keep the cache fresh and tidy."""
