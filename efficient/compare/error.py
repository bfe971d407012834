"""The error of this room."""


class CompareError(ValueError):
    """Runs that may not be compared: the message names the two runs and what differs."""
