"""From cached facts to the tables and parts of a report."""
