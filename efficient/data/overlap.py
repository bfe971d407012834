"""How much of test also stands in train: counted, never removed.

Images count when all their bytes are equal. Text counts by windows: test is cut into adjacent
windows, and a window counts when it occurs verbatim at any position of train.
"""

from __future__ import annotations

import hashlib

import numpy as np

WINDOW = 64

_BLOCK = 1 << 20
_TABLE_BITS = 22
#: Odd constants of splitmix64 (G. Steele, D. Lea and C. Flood, 2014), one per doubling.
_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)


def image_overlap(train: np.ndarray, test: np.ndarray) -> int:
    """Number of images of `test` (N, ...) whose bytes are those of an image of `train` (M, ...)."""
    known = {hashlib.sha256(image.tobytes()).digest() for image in train}
    return sum(hashlib.sha256(image.tobytes()).digest() in known for image in test)


def text_overlap(train: np.ndarray, test: np.ndarray, window: int = WINDOW) -> int:
    """Number of adjacent windows of `test` (N,) uint8 that occur verbatim in `train` (M,) uint8.

    `window` is a power of two. Every window of train is hashed; a candidate is then compared byte
    by byte, so the count is exact. Linear in time, in blocks of bounded memory.
    """
    count = len(test) // window
    if count == 0 or len(train) < window:
        return 0
    windows = np.asarray(test[: count * window]).reshape(count, window)
    hashes = _hash_windows(windows.reshape(-1), window)[::window]
    wanted = np.sort(hashes)
    table = np.zeros(1 << _TABLE_BITS, bool)
    table[_slot(wanted)] = True
    found: dict[int, set[bytes]] = {}
    for start in range(0, len(train) - window + 1, _BLOCK):
        block = np.asarray(train[start : start + _BLOCK + window - 1])
        _collect(block, window, wanted, table, found)
    pairs = zip(hashes.tolist(), windows, strict=True)
    return sum(row.tobytes() in found.get(value, ()) for value, row in pairs)


def _collect(
    block: np.ndarray,
    window: int,
    wanted: np.ndarray,
    table: np.ndarray,
    found: dict[int, set[bytes]],
) -> None:
    """Add the windows of `block` whose hash is wanted to `found`, by hash."""
    hashes = _hash_windows(block, window)
    starts = np.flatnonzero(table[_slot(hashes)])
    ranks = np.searchsorted(wanted, hashes[starts])
    starts = starts[wanted[np.minimum(ranks, len(wanted) - 1)] == hashes[starts]]
    for start in starts.tolist():
        content = block[start : start + window].tobytes()
        found.setdefault(int(hashes[start]), set()).add(content)


def _hash_windows(text: np.ndarray, window: int) -> np.ndarray:
    """64-bit hash of each window, by doubling: (N,) uint8 -> (N - window + 1,) uint64.

    The hash of a window joins those of its halves; equal windows have equal hashes.
    """
    hashes = _mix(text.astype(np.uint64))
    width = 1
    while width < window:
        hashes = _mix(hashes[:-width] * _MULTIPLIER + hashes[width:])
        width *= 2
    return hashes


def _mix(values: np.ndarray) -> np.ndarray:
    mixed = (values + _INCREMENT) * _MULTIPLIER
    return mixed ^ (mixed >> np.uint64(31))


def _slot(hashes: np.ndarray) -> np.ndarray:
    return (hashes >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)
