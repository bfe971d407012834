"""Tiny Shakespeare: 1.1 MB of plays in one file, split 90/5/5 in order.

Source: A. Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds


class TinyShakespeare(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """One record of text per split."""

    VERSION = tfds.core.Version("1.0.0")
    URL = (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="40,000 lines of plays by Shakespeare.",
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage="https://github.com/karpathy/char-rnn",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        text = dl_manager.download(self.URL).read_bytes()
        train = int(len(text) * 0.9)
        validation = train + int((len(text) - train) * 0.5)
        return {
            "train": self._generate_examples("train", text[:train]),
            "validation": self._generate_examples("validation", text[train:validation]),
            "test": self._generate_examples("test", text[validation:]),
        }

    def _generate_examples(self, split: str, text: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
        yield split, {"text": text}
