"""What the Python interface offers: counting and tracing a module, and counting a model by its name."""
