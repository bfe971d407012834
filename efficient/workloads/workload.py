"""What is learned, and how is it scored? A workload knows its data and its score, and no model.

Teacher, student and small control share it; no variant can redefine the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from efficient.data import Dataset


class WorkloadError(ValueError):
    """A workload that cannot be built from its data: one line with the remedy."""


class Batch(NamedTuple):
    """Examples as the function sees them.

    inputs: (batch, height, width, channels) float32, or (batch, time) int32; targets: (batch,) or
    (batch, time) int32; weights: like targets, float32, 0 on padding; index: (batch,) int32.
    """

    inputs: jax.Array
    targets: jax.Array
    weights: jax.Array
    index: jax.Array


class Measures(NamedTuple):
    """Of every example: summed loss in nats, correct units, weight. (batch,) float32 each."""

    loss: jax.Array
    correct: jax.Array
    weight: jax.Array


def score(logits: jax.Array, batch: Batch) -> Measures:
    """Cross-entropy and hits of `logits: (batch, [time,] classes)`, per example."""
    picked = jnp.take_along_axis(logits, batch.targets[..., None], axis=-1)[..., 0]
    loss = (jax.nn.logsumexp(logits, axis=-1) - picked) * batch.weights
    hits = (jnp.argmax(logits, axis=-1) == batch.targets) * batch.weights
    axes = tuple(range(1, loss.ndim))
    return Measures(loss.sum(axes), hits.sum(axes), batch.weights.sum(axes))


@dataclass(frozen=True)
class ImageClassification:
    """Images of one size, one label each.

    data: a dataset's name; crop: pixels of zero padding for a random crop; flip: mirror half of
    the images left to right. Augmentation is part of the step.
    """

    data: str
    crop: int = 0
    flip: bool = False

    unit = "image"

    @property
    def name(self) -> str:
        return self.data

    def check(self, dataset: Dataset) -> None:
        if dataset.kind != "image":
            raise WorkloadError(
                f"dataset {self.data!r} holds {dataset.kind}; use a preset for {dataset.kind}"
            )

    def signature(self, dataset: Dataset) -> tuple[tuple[int, ...], int]:
        """Shape of one input and the number of classes."""
        return tuple(dataset.splits["train"]["inputs"].shape[1:]), dataset.classes

    def arrays(self, dataset: Dataset, split: str) -> dict[str, np.ndarray]:
        """What goes to the device: uint8 images, int32 labels, and the pixels' statistics."""
        arrays = dataset.splits[split]
        inputs, mean, std = arrays["inputs"], *_statistics(dataset)
        return {"inputs": inputs, "targets": arrays["targets"], "mean": mean, "std": std}

    def examples(self, dataset: Dataset, split: str) -> int:
        return len(dataset.splits[split]["targets"])

    def window(self, data: Any, index: jax.Array) -> Batch:
        """Examples by number, without augmentation; numbers past the end weigh 0."""
        count = data["targets"].shape[0]
        inside = jnp.minimum(index, count - 1)
        images = jnp.take(data["inputs"], inside, axis=0)
        weights = (index < count).astype(jnp.float32)
        return Batch(_normalise(images, data), data["targets"][inside], weights, index)

    def sample(self, data: Any, index: jax.Array, key: jax.Array) -> Batch:
        """Examples by number, cropped and flipped in uint8 by `key`."""
        images = jnp.take(data["inputs"], index, axis=0)
        crop_key, flip_key = jax.random.split(key)
        if self.crop:
            images = _random_crop(images, self.crop, crop_key)
        if self.flip:
            mirrored = jax.random.bernoulli(flip_key, shape=(images.shape[0],))
            images = jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
        ones = jnp.ones(index.shape, jnp.float32)
        return Batch(_normalise(images, data), data["targets"][index], ones, index)


@dataclass(frozen=True)
class LanguageModel:
    """Predict the next byte or character in windows of `context` tokens.

    An epoch is a cover of the text by windows of `context` tokens that do not overlap. Training
    shifts each window by its own random offset, so that every position can begin one; evaluation
    does not. `windows` scores only so many windows of a split, evenly spread; 0 means all.
    """

    data: str
    context: int = 64
    windows: int = 0

    unit = "byte"  # a token is one byte of the text, or its number in the vocabulary

    @property
    def name(self) -> str:
        return self.data

    def check(self, dataset: Dataset) -> None:
        if dataset.kind != "text":
            raise WorkloadError(
                f"dataset {self.data!r} holds {dataset.kind}; use a preset for {dataset.kind}"
            )
        shortest = min(len(split["tokens"]) for split in dataset.splits.values())
        if shortest < self.context + 1:
            raise WorkloadError(f"context {self.context} is longer than a split of {self.data!r}")

    def signature(self, dataset: Dataset) -> tuple[tuple[int, ...], int]:
        return (self.context,), dataset.classes

    def arrays(self, dataset: Dataset, split: str) -> dict[str, np.ndarray]:
        """What goes to the device: the text, and where each window of the split begins."""
        tokens = dataset.splits[split]["tokens"]
        cover, count = (len(tokens) - 1) // self.context, self.examples(dataset, split)
        starts = np.arange(count, dtype=np.int32) * (cover // count) * self.context
        return {"tokens": tokens, "starts": starts}

    def examples(self, dataset: Dataset, split: str) -> int:
        """Windows of the cover; of the scored splits at most `windows`."""
        cover = (len(dataset.splits[split]["tokens"]) - 1) // self.context
        return cover if split == "train" or not self.windows else min(self.windows, cover)

    def window(self, data: Any, index: jax.Array) -> Batch:
        """Windows by number; numbers past the end weigh 0."""
        count = data["starts"].shape[0]
        starts = data["starts"][jnp.minimum(index, count - 1)]
        inputs, targets = self._cut(data["tokens"], starts)
        weights = jnp.broadcast_to((index < count)[:, None], inputs.shape).astype(jnp.float32)
        return Batch(inputs, targets, weights, index)

    def sample(self, data: Any, index: jax.Array, key: jax.Array) -> Batch:
        """Windows by number, each shifted by its own offset below `context`."""
        last = data["tokens"].shape[0] - 1 - self.context
        shift = jax.random.randint(key, index.shape, 0, self.context)
        starts = jnp.minimum(data["starts"][index] + shift, last)
        inputs, targets = self._cut(data["tokens"], starts)
        return Batch(inputs, targets, jnp.ones(inputs.shape, jnp.float32), index)

    def _cut(self, tokens: jax.Array, starts: jax.Array) -> tuple[jax.Array, jax.Array]:
        places = starts[:, None] + jnp.arange(self.context + 1)[None, :]
        text = jnp.take(tokens, places, axis=0).astype(jnp.int32)
        return text[:, :-1], text[:, 1:]


def _statistics(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the training pixels by channel, of 255. (channels,) each."""
    inputs = dataset.splits["train"]["inputs"]
    counts = np.stack(
        [np.bincount(inputs[..., c].ravel(), minlength=256) for c in range(inputs.shape[-1])]
    )
    values = np.arange(256) / 255.0
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    variance = share @ values**2 - mean**2
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _normalise(images: jax.Array, data: Any) -> jax.Array:
    scaled = images.astype(jnp.float32) / 255.0
    shape = (1, 1, 1, images.shape[-1])
    return (scaled - data["mean"].reshape(shape)) / data["std"].reshape(shape)


def _random_crop(images: jax.Array, pad: int, key: jax.Array) -> jax.Array:
    """Zero-pad by `pad` pixels and cut each image at its own offset. (batch, h, w, c) uint8."""
    batch, height, width, channels = images.shape
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    offsets = jax.random.randint(key, (batch, 2), 0, 2 * pad + 1)

    def cut(image, offset):
        return lax.dynamic_slice(image, (offset[0], offset[1], 0), (height, width, channels))

    return jax.vmap(cut)(padded, offsets)
