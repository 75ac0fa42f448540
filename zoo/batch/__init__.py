"""How the work is done: what has to be counted, by whom, and how the results are kept."""
