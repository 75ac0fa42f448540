"""Pictures for slides and documents, drawn by matplotlib without a display."""
