"""The page of trends: what changed over the runs of a cache."""
