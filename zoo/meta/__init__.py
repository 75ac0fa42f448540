"""Models without data: building them on the meta device, following their modules, and exchanging their weights."""
