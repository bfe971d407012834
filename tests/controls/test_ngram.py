"""n-gram models: probabilities that add up, the written formula, and the targets of a network."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.controls.ngram import ControlError, NGram, bits_per_token, window_bits
from efficient.data import Dataset, load
from efficient.workloads import LanguageModel

ROOT = Path(__file__).parents[2]
CLASSES = 3
texts = st.lists(st.integers(0, CLASSES - 1), min_size=4, max_size=40).map(np.array)


def reference(train: list[int], history: list[int], token: int) -> float:
    """The formula of Witten and Bell, by recursion over dictionaries."""
    follow: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    length = len(history)
    for i in range(length, len(train)):
        follow[tuple(train[i - length : i])][train[i]] += 1
    seen = follow[tuple(history)]
    shorter = reference(train, history[1:], token) if history else 1 / CLASSES
    if not seen:
        return shorter
    return (seen[token] + len(seen) * shorter) / (seen.total() + len(seen))


@given(texts, texts)
def test_bits_follow_the_written_formula(train, test):
    bits = NGram.fit(train, 3, CLASSES).bits(test[None])[2, 0]
    for place, token in enumerate(test):
        history = test[max(0, place - 2) : place].tolist()
        expected = -math.log2(reference(train.tolist(), history, int(token)))
        assert bits[place] == pytest.approx(expected)


@given(texts, st.lists(st.integers(0, CLASSES - 1), min_size=0, max_size=4))
def test_probabilities_of_all_tokens_add_up_to_one(train, history):
    rows = np.array([[*history, token] for token in range(CLASSES)])
    for bits in NGram.fit(train, 4, CLASSES).bits(rows):
        assert np.exp2(-bits[:, -1]).sum() == pytest.approx(1)


def test_longer_histories_learn_a_cycle():
    cycle = np.tile([0, 1, 2, 0, 2, 1], 200)
    bits = [bits_per_token(cycle, cycle, order, CLASSES) for order in (1, 2, 3)]
    assert bits[0] == pytest.approx(math.log2(3), abs=1e-3)
    assert bits[0] > bits[1] > 0.5 > bits[2]


def test_unigram_of_the_training_text_is_near_its_entropy():
    text = np.random.default_rng(0).choice(CLASSES, 20_000, p=[0.7, 0.2, 0.1])
    share = np.bincount(text) / len(text)
    assert bits_per_token(text, text, 1, CLASSES) == pytest.approx(
        -(share * np.log2(share)).sum(), abs=1e-3
    )


@pytest.mark.parametrize(("order", "classes"), [(0, 3), (9, 3), (5, 2**13)])
def test_an_order_that_cannot_be_counted_is_refused(order, classes):
    with pytest.raises(ControlError, match=f"order {order}"):
        NGram.fit(np.arange(8) % 3, order, classes)


@pytest.fixture
def small() -> tuple[LanguageModel, Dataset]:
    """Windows of four tokens, every second of a test split of 24."""
    tokens = {split: (np.arange(24) ** 2 % CLASSES).astype(np.uint8) for split in ("train", "test")}
    splits = {split: {"tokens": text} for split, text in tokens.items()}
    dataset = Dataset("small", "1", "text", CLASSES, splits, "", {}, 0, {})
    return LanguageModel("small", context=4, windows=2), dataset


def test_windows_are_scored_on_the_targets_of_a_network(small):
    workload, dataset = small
    train, test = (dataset.splits[split]["tokens"] for split in ("train", "test"))
    model = NGram.fit(train, 3, CLASSES)
    by_hand = [model.bits(test[None, start : start + 5])[:, 0, 1:] for start in (0, 8)]
    found = window_bits(model, workload, dataset, "test")
    np.testing.assert_allclose(found, np.stack(by_hand).mean(axis=(0, 2)))


def test_a_history_ends_at_the_edge_of_its_window(small):
    workload, dataset = small
    before = window_bits(NGram.fit(dataset.splits["train"]["tokens"], 3, CLASSES), *small, "test")
    changed = {**dataset.splits, "test": {"tokens": dataset.splits["test"]["tokens"].copy()}}
    changed["test"]["tokens"][7] = 2 - changed["test"]["tokens"][7]  # between the two windows
    other = Dataset("small", "1", "text", CLASSES, changed, "", {}, 0, {})
    model = NGram.fit(dataset.splits["train"]["tokens"], 3, CLASSES)
    np.testing.assert_array_equal(window_bits(model, workload, other, "test"), before)


def test_the_script_prints_every_order_and_says_what_it_scored():
    command = [sys.executable, str(ROOT / "scripts" / "ngram"), "pystdlib", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["fingerprint"] == load("pystdlib").fingerprint
    assert (result["windows"], result["context"]) == (256, 64)
    for scored in ("whole", "window"):
        bits = list(result[scored].values())
        assert bits == sorted(bits, reverse=True) and len(bits) == 5
        assert 4 < bits[0] < 5 and 2.3 < bits[2] < 3


def test_the_script_refuses_images_in_one_line():
    command = [sys.executable, str(ROOT / "scripts" / "ngram"), "digits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("ngram: error: dataset 'digits'")
