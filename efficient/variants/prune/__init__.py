"""Pruning: weights, or whole units, that are not there."""

from efficient.variants.prune.dynamic import Dynamic
from efficient.variants.prune.lottery import Lottery
from efficient.variants.prune.mask import Prune
from efficient.variants.prune.removal import Remove
from efficient.variants.prune.ticket import Ticket

__all__ = ["Dynamic", "Lottery", "Prune", "Remove", "Ticket"]
