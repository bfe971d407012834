"""The composition root of one run: Config -> Record."""

from efficient.run.attempt import Progress
from efficient.run.train import train

__all__ = ["Progress", "train"]
