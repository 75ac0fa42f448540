"""Sheets, cells and styles as parts of the file."""
