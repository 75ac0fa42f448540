"""Options, output and errors of all verbs."""
