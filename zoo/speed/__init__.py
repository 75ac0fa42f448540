"""How fast: what devices can do, and what was measured on them."""
