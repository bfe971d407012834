"""What is wrong with an artefact."""


class ArtefactError(ValueError):
    """An artefact that cannot be used: one line with the file, what is wrong and the remedy."""
