"""What is wrong with a benchmark."""


class BenchmarkError(ValueError):
    """Artefacts that cannot be compared: one line with the name, what is wrong and the remedy."""
