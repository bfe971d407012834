"""Digits: 1,797 real handwritten digits of 8x8 pixels that come with scikit-learn.

Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine
Learning Repository, 1998. The values are the original ones, 0 to 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from efficient.data.permutation import permutation

#: Examples in each split, dealt from one fixed permutation.
SIZES = {"train": 1_257, "validation": 180, "test": 360}


class Digits(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images (8, 8, 1) uint8 with values 0..16, ten classes."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits of 8x8 pixels, as they come with scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager
        from sklearn.datasets import load_digits

        images, labels = map(np.asarray, load_digits(return_X_y=True))
        order = permutation(len(images))
        ends = np.cumsum(list(SIZES.values()))
        return {
            split: self._generate_examples(images, labels, order[end - size : end])
            for (split, size), end in zip(SIZES.items(), ends, strict=True)
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, numbers: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in numbers:
            image = images[number].astype(np.uint8).reshape(8, 8, 1)
            yield int(number), {"image": image, "label": int(labels[number])}
