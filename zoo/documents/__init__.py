"""Files that users give: text, YAML and CSV, read within limits, whose mistakes become sentences."""
