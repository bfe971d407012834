"""Overlap agrees with the plain definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from efficient.data import overlap
from efficient.data.overlap import image_overlap, text_overlap


def as_text(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


@given(
    train=st.lists(st.sampled_from(b"ab"), max_size=80).map(bytes),
    test=st.lists(st.sampled_from(b"ab"), max_size=40).map(bytes),
    window=st.sampled_from([1, 2, 4, 8]),
)
def test_text_overlap_is_the_count_of_windows_found(train, test, window):
    starts = range(0, len(test) - window + 1, window)
    expected = sum(test[start : start + window] in train for start in starts)
    assert text_overlap(as_text(train), as_text(test), window) == expected


def test_a_window_across_two_blocks_is_found(monkeypatch):
    train = np.random.RandomState(0).randint(0, 256, 1000).astype(np.uint8)
    test = np.concatenate([train[start : start + 64] for start in (0, 70, 333, 936)])
    monkeypatch.setattr(overlap, "_BLOCK", 100)
    assert text_overlap(train, test) == 4
    assert text_overlap(train[:-1], test) == 3


def test_colliding_hashes_are_compared_byte_by_byte(monkeypatch):
    monkeypatch.setattr(overlap, "_mix", lambda values: values * np.uint64(0))
    assert text_overlap(as_text(b"aaaabbbb"), as_text(b"abbabbbbaabb"), 4) == 2


def test_image_overlap_counts_test_images_with_equal_bytes():
    train = np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1)
    test = np.concatenate([train[4:], train[4:5], train[:1] + 100])
    assert image_overlap(train, test) == 3


def test_ten_million_bytes_are_searched_in_one_pass():
    """In one for each window, this would take hours."""
    train = np.random.RandomState(0).randint(0, 4, 10_000_000).astype(np.uint8)
    assert text_overlap(train, train[-500_000:]) == 500_000 // 64
