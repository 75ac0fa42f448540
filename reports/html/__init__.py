"""The leaderboard as one HTML file that opens offline, from a mail attachment, and asks nothing of the network."""

from reports.html.page import render, write

__all__ = ["render", "write"]
