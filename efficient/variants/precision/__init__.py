"""Low-precision training: the step itself computes in fewer bits."""

from efficient.variants.precision.training import Precision

__all__ = ["Precision"]
