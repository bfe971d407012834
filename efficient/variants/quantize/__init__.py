"""Quantization: fewer bits per weight and activation."""

from efficient.variants.quantize.quantization import Quantize

__all__ = ["Quantize"]
