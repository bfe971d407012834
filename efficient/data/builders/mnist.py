"""MNIST and Fashion-MNIST from their idx files, record for record what tensorflow-datasets writes.

Sources: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", 1998;
H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST", 2017, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from efficient.data.builders.picture import encode_png
from efficient.data.error import DataError

_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


class Mnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images (28, 28, 1) uint8 as PNG, ten classes; 60,000 train and 10,000 test."""

    VERSION = tfds.core.Version("3.0.1")
    URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
    HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Grey images of 28x28 pixels in ten classes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=self.HOMEPAGE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        paths: Any = dl_manager.download(
            {split: [self.URL + name for name in names] for split, names in _FILES.items()}
        )
        return {split: self._generate_examples(*pair) for split, pair in paths.items()}

    def _generate_examples(
        self, images: Path, labels: Path
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        pairs = zip(read_idx(images), read_idx(labels), strict=True)
        for index, (image, label) in enumerate(pairs):
            yield index, {"image": encode_png(image), "label": int(label)}


class FashionMnist(Mnist, skip_registration=True):
    """Pictures of clothes in the files and shapes of MNIST."""

    URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of unsigned bytes.

    Raises:
      DataError: the header is not that of an idx file of bytes, or the length disagrees with it.
    """
    content = gzip.decompress(Path(path).read_bytes())
    if content[:3] != b"\x00\x00\x08":
        raise DataError(f"{path}: not an idx file of bytes: fetch it again")
    rank = content[3]
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=rank, offset=4))
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if values.size != int(np.prod(shape)):
        raise DataError(f"{path}: {values.size} values for shape {shape}: fetch it again")
    return values.reshape(shape)
