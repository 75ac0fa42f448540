"""Verbs that help to choose a model."""
