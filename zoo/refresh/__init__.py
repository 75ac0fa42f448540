"""From a configuration to committed rows: plan, run, commit."""
