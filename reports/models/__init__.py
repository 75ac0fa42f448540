"""Everything known of one model, or of a few side by side."""
