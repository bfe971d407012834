"""Lossless encoding of images for tensorflow-datasets, which itself needs TensorFlow for it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def encode_png(pixels: np.ndarray) -> io.BytesIO:
    """PNG file of pixels (H, W) grey or (H, W, 3) colour, uint8."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    buffer.seek(0)
    return buffer
