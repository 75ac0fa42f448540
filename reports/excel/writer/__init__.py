"""Sheets, cells and styles as the file holds them."""
