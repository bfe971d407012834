"""Distillation: learn from another network."""

from efficient.variants.distill.divergence import divergence
from efficient.variants.distill.teacher import Distill

__all__ = ["Distill", "divergence"]
