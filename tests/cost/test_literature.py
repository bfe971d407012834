"""The totals that are formulas follow from their rules, and agree with what was printed."""

import pytest

from efficient.cost.literature import train_flops


def chinchilla(tokens, depth, width, heads):
    """Hoffmann et al. 2022, appendix F, without embeddings and logits: parameters and FLOPs."""
    block = 4 * width**2 + 4 * width + width**2 + 2 * width + 8 * width**2 + 5 * width + 4 * width
    params = depth * block + 2 * width + 32_000 * width
    scores = 2 * 2 * tokens**2 * width + 3 * heads * tokens**2
    return params, 3 * depth * (2 * tokens * 12 * width**2 + scores)


@pytest.mark.parametrize("row", train_flops(), ids=lambda row: row.model)
def test_totals_follow_from_their_rule(row):
    simple = {"6ND": 6, "3ND": 3}
    if row.rule in simple:
        assert row.flops == simple[row.rule] * row.params * row.tokens
    else:
        assert row.rule == "chinchilla"
        sizes = row.tokens, row.depth, row.width, row.heads
        assert (row.params, row.flops) == chinchilla(*sizes)


@pytest.mark.parametrize("row", train_flops(), ids=lambda row: row.model)
def test_totals_agree_with_what_was_printed(row):
    assert (row.published_flops is None) != (row.published_ratio is None)
    if row.published_flops is not None:
        assert row.flops == pytest.approx(row.published_flops, rel=5e-3)
    if row.published_ratio is not None:
        ratio = row.flops / (6 * row.params * row.tokens)
        assert ratio == pytest.approx(row.published_ratio, abs=0.005)
