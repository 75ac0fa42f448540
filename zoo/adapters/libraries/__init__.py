"""Zoos of optional libraries, one file each: nothing of a library is imported before its zoo is opened."""
