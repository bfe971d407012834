"""Pystdlib: the source files of the running Python's standard library, one record per file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from efficient.data.corpus import BOUNDS, standard_library


class Pystdlib(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Bytes of source files; the config names the Python version and the corpus digest."""

    VERSION = tfds.core.Version("1.0.0")

    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=standard_library().config)]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Source files of the Python standard library, split by content digest.",
            features=tfds.features.FeaturesDict(
                {"path": tfds.features.Text(), "text": tfds.features.Text()}
            ),
            homepage="https://docs.python.org/3/library/",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager
        return {split: self._generate_examples(split) for split in BOUNDS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        corpus = standard_library()
        for file in corpus.files:
            if file.split == split:
                content = (corpus.root / file.path).read_bytes()
                yield file.path, {"path": file.path, "text": content}
