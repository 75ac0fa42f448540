"""Every call of a forward pass in order, as a GPU would run it."""
