"""Output on the terminal, and the same content as records for programs."""
