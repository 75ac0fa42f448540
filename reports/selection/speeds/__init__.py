"""How fast models are on a device: measured, published or estimated."""
