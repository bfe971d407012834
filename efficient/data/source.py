"""Reading a prepared dataset: from the records of tensorflow-datasets to chunks of arrays.

Images are decoded by Pillow and nothing else, whatever tensorflow-datasets would pick on this
machine (OpenCV, TensorFlow): the same files give the same pixels.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficient.data.catalogue import Entry
from efficient.data.error import DataError
from efficient.data.permutation import permutation

#: Bump when the same records would give other arrays: cached arrays are then decoded anew.
DECODER = 1

_CHUNK = 1_024

Chunks = Iterator[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Source:
    """A decoded dataset that has not been stored: each split is a stream of chunks of arrays."""

    kind: str
    classes: int
    details: dict[str, str]
    splits: dict[str, Chunks]


def read(entry: Entry, folder: Path) -> Source:
    """Open the prepared dataset in `folder` whichever module has written it.

    Raises:
      DataError: the folder is damaged, or holds neither labelled images of one size nor text.
    """
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError

    try:
        builder = tfds.builder_from_directory(folder)
    except (OSError, ValueError, AttributeError, ParseError) as error:
        raise _damaged(entry, folder) from error
    features: Any = builder.info.features
    if not {"train", "test"} <= set(builder.info.splits):
        raise DataError(
            f"{entry.name}: has the splits {sorted(builder.info.splits)}, needs train and test: "
            "choose another dataset"
        )
    if {"image", "label"} <= set(features):
        return _images(entry, builder, folder)
    if "text" in features and "label" not in features:
        return _text(entry, builder, folder)
    raise DataError(
        f"{entry.name}: features {sorted(features)} are neither image and label nor plain text: "
        "choose another dataset"
    )


def _images(entry: Entry, builder: Any, folder: Path) -> Source:
    import tensorflow_datasets as tfds

    feature = builder.info.features["image"]
    if None in feature.shape or feature.np_dtype != np.uint8 or len(feature.shape) != 3:
        raise DataError(
            f"{entry.name}: images of shape {feature.shape} and type {feature.np_dtype}: "
            "only uint8 images of one size can be read"
        )
    encoded = isinstance(feature, tfds.features.Image)
    decoders = {"image": tfds.decode.SkipDecoding()} if encoded else None
    pixels = _decode if encoded else np.asarray
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    parts, rule = _parts(entry, counts)

    def chunks(split: str, numbers: np.ndarray) -> Chunks:
        records = builder.as_data_source(split=split, decoders=decoders)
        for start in range(0, len(numbers), _CHUNK):
            rows = _fetch(entry, folder, records, numbers[start : start + _CHUNK])
            images = [pixels(row["image"]).reshape(feature.shape) for row in rows]
            labels = [row["label"] for row in rows]
            yield {"inputs": np.stack(images), "targets": np.array(labels, np.int32)}

    return Source(
        kind="image",
        classes=builder.info.features["label"].num_classes,
        details={"values": entry.values, "validation": rule},
        splits={part: chunks(*selection) for part, selection in parts.items()},
    )


def _parts(entry: Entry, counts: dict[str, int]) -> tuple[dict[str, tuple[str, np.ndarray]], str]:
    """Which records of which TFDS split make train, validation and test, and the rule in words.

    The held-out records are the last of the fixed permutation; each part keeps the stored order.
    """
    whole = {split: (split, np.arange(counts[split])) for split in counts}
    if "validation" in counts:
        return {part: whole[part] for part in ("train", "validation", "test")}, "own split"
    count = counts["train"]
    held = entry.validation or count // 10
    if not 0 < held < count:
        raise DataError(f"{entry.name}: cannot hold {held} of {count} train examples out")
    order = permutation(count)
    parts = {
        "train": ("train", np.sort(order[:-held])),
        "validation": ("train", np.sort(order[-held:])),
        "test": whole["test"],
    }
    return parts, f"last {held} of the fixed permutation of train"


def _text(entry: Entry, builder: Any, folder: Path) -> Source:
    texts = {
        split: _join(entry, folder, builder.as_data_source(split=split))
        for split in ("train", "validation", "test")
        if split in builder.info.splits
    }
    rule = "own split"
    if "validation" not in texts:
        held = len(texts["train"]) // 10
        texts["train"], texts["validation"] = np.split(texts["train"], [-held])
        rule = f"last {held} bytes of train"
    details = {"validation": rule, **(entry.corpus().details if entry.corpus else {})}
    classes = 256
    if entry.characters:
        vocabulary = np.unique(texts["train"])
        texts = {part: _renumber(entry, text, vocabulary) for part, text in texts.items()}
        details["vocabulary"] = json.dumps(vocabulary.tolist())
        classes = len(vocabulary)
    splits = {part: iter([{"tokens": text}]) for part, text in texts.items()}
    return Source("text", classes, details, splits)


def _join(entry: Entry, folder: Path, records: Any) -> np.ndarray:
    """All records of a split as one array of bytes, in the order of their `path` where given."""
    rows = _fetch(entry, folder, records, np.arange(len(records)))
    rows.sort(key=lambda row: row.get("path", b""))
    return np.frombuffer(b"".join(row["text"] for row in rows), np.uint8)


def _renumber(entry: Entry, text: np.ndarray, vocabulary: np.ndarray) -> np.ndarray:
    """Replace each byte by its rank in the vocabulary."""
    strange = np.setdiff1d(text, vocabulary)
    if strange.size:
        raise DataError(
            f"{entry.name}: byte {strange[0]} does not occur in train: prepare the dataset again"
        )
    return np.searchsorted(vocabulary, text).astype(np.uint8)


def _fetch(entry: Entry, folder: Path, records: Any, numbers: np.ndarray) -> list[dict[str, Any]]:
    fetch: Callable[[list[int]], Any] = records.__getitems__
    try:
        return list(fetch(numbers.tolist()))
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise _damaged(entry, folder) from error


def _decode(content: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def _damaged(entry: Entry, folder: Path) -> DataError:
    return DataError(
        f"{entry.name}: the prepared copy in {folder} cannot be read: "
        f"delete it and run: efficient data prepare {entry.name}"
    )
