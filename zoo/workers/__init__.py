"""Worker processes on this machine, and the job that each of them does."""
