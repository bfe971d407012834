"""CIFAR-10 from its binary archive, record for record what tensorflow-datasets writes.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from efficient.data.builders.picture import encode_png
from efficient.data.error import DataError

_FOLDER = "cifar-10-batches-bin"
_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_ROW = 1 + 3 * 32 * 32


class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images (32, 32, 3) uint8 as PNG, ten classes; 50,000 train and 10,000 test."""

    VERSION = tfds.core.Version("3.0.2")
    URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Colour images of 32x32 pixels in ten classes.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = Path(os.fspath(dl_manager.download(self.URL)))
        features: Any = self.info.features
        features["label"].names = read_member(archive, "batches.meta.txt").decode().split()
        return {split: self._generate_examples(archive, split) for split in _FILES}

    def _generate_examples(self, archive: Path, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        index = 0
        for name in _FILES[split]:
            rows = np.frombuffer(read_member(archive, name), np.uint8).reshape(-1, _ROW)
            for row in rows:
                image = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                yield (
                    index,
                    {
                        "id": f"{split}_{index:05d}",
                        "image": encode_png(np.ascontiguousarray(image)),
                        "label": int(row[0]),
                    },
                )
                index += 1


def read_member(archive: Path, name: str) -> bytes:
    """The content of one file of the archive.

    Raises:
      DataError: the archive does not hold it.
    """
    with tarfile.open(archive) as tar:
        try:
            member = tar.extractfile(f"{_FOLDER}/{name}")
        except KeyError:
            member = None
        if member is None:
            raise DataError(f"{archive}: holds no {_FOLDER}/{name}: fetch it again")
        return member.read()
