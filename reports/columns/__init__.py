"""Every column of every report, limits on them, and the Pareto frontier."""
