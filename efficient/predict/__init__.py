"""What will it cost? Estimates before a run, and of runs that others published."""
