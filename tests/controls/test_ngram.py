"""n-gram models: probabilities that add up, the written formula, and histories within a row."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.controls import ControlError
from efficient.controls.ngram import FALLBACK, NGram, discounts

CLASSES = 3
texts = st.lists(st.integers(0, CLASSES - 1), min_size=4, max_size=60).map(np.array)


def fit(text: np.ndarray, order: int, classes: int = CLASSES):
    return NGram(order).fit({"tokens": text}, classes, seed=0, threads=1)


def reference(text: list[int], order: int, history: list[int], token: int) -> float:
    """Chen and Goodman's formula, by recursion over dictionaries of the n-grams as tuples."""
    grams = Counter(tuple(text[i : i + order]) for i in range(len(text) - order + 1))
    probability = 1 / CLASSES
    for length in range(1, min(order, len(history) + 1) + 1):
        counts = grams
        for _ in range(order - length):  # how many different tokens stand before it
            counts = Counter(gram[1:] for gram in counts)
        n = Counter(counts.values())
        taken = _discounts(n[1], n[2], n[3], n[4])
        head = tuple(history[len(history) - length + 1 :])
        seen = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == head}
        if total := sum(seen.values()):
            back = sum(taken[min(count, 3) - 1] for count in seen.values()) / total
            own = seen.get(token, 0)
            own -= taken[min(own, 3) - 1] if own else 0
            probability = own / total + back * probability
    return probability


def _discounts(n1: int, n2: int, n3: int, n4: int) -> tuple[float, ...]:
    if not (n1 and n2 and n3 and n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if min(found) > 0 else FALLBACK


@given(texts, texts, st.integers(1, 4))
def test_it_follows_the_written_formula(text, row, order):
    found = np.exp(fit(text, order).predict(row[None])[0])
    for place in range(len(row)):
        history = row[max(0, place - order + 2) : place + 1].tolist() if order > 1 else []
        for token in range(CLASSES):
            expected = reference(text.tolist(), order, history, token)
            assert found[place, token] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_the_256_probabilities_of_any_context_add_up_to_one(order):
    random = np.random.default_rng(0)
    text = np.minimum(random.geometric(0.05, 5000), 255).astype(np.uint8)
    known = text[:400].reshape(8, 50)
    found = np.exp(fit(text, order, 256).predict(np.concatenate([known, random.permuted(known)])))
    assert found.shape == (16, 50, 256)
    np.testing.assert_allclose(found.sum(axis=-1, dtype=float), 1, atol=1e-5)
    assert found.min() > 0


def test_discounts_are_of_the_text_where_it_decides_them():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 20, 12, 8, 5])
    y = 40 / 80
    expected = [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 12 / 20, 3 - 4 * y * 8 / 12]
    np.testing.assert_allclose(discounts(counts), expected)
    assert discounts(np.array([5, 9])).tolist() == [0, *FALLBACK]
    assert discounts(np.repeat([1, 2, 3, 4], [9, 1, 9, 1])).tolist() == [0, *FALLBACK]


def test_longer_histories_learn_a_cycle():
    cycle = np.tile([0, 1, 2, 0, 2, 1], 200)
    nats = []
    for order in (1, 2, 3):
        found = fit(cycle, order).predict(cycle[None, :-1])[0]
        nats.append(-found[np.arange(len(found)), cycle[1:]].mean())
    assert nats[0] == pytest.approx(math.log(3), abs=1e-2)
    assert nats[0] > nats[1] > 0.4 > 0.05 > nats[2]


def test_a_history_ends_at_the_beginning_of_its_row():
    text = np.random.default_rng(1).integers(0, CLASSES, 300)
    model = fit(text, 3)
    alone = model.predict(text[None, 4:8])
    np.testing.assert_array_equal(model.predict(text[:8].reshape(2, 4))[1:], alone)
    one = model.predict(text[None, :1])
    np.testing.assert_array_equal(one, model.predict(text[None, :5])[:, :1])


def test_it_is_made_again_from_what_is_shipped_in_small_integers():
    text = np.random.default_rng(2).integers(0, 256, 500).astype(np.uint8)
    model = fit(text, 3, 256)
    assert model.arrays is not None
    assert model.arrays["3.tokens"].dtype == model.arrays["3.counts"].dtype == np.uint8
    again = NGram(3).predictor(model.arrays, threads=1)
    np.testing.assert_array_equal(again(text[None]), model.predict(text[None]))
    assert model.params == model.evidence["ngrams"] > 500


@pytest.mark.parametrize(("order", "classes"), [(9, 3), (5, 2**13)])
def test_an_order_that_cannot_be_counted_is_refused(order, classes):
    with pytest.raises(ControlError, match=f"order {order}"):
        fit(np.arange(8) % 3, order, classes)


def test_an_order_below_one_is_refused():
    with pytest.raises(ControlError, match="order 0 is not a number above 0"):
        NGram(0)
