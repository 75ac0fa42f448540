"""What a model costs, counted on torch's meta device. Knows no zoo and no cache."""
