"""FLOPs from sizes are those that papers print, and those that a traced network takes."""

from __future__ import annotations

import jax
import pytest
from flax import nnx

from efficient.cost.flops import count_training
from efficient.models.gpt import GPTSpec
from efficient.models.outline import outline, parameters
from efficient.models.signature import Signature
from efficient.predict.language import Attention, attention_flops, training_flops

#: GPT-3 paper, arXiv 2005.14165, table D.1: parameters, tokens, FLOPs as printed.
PRINTED = [
    (125e6, 300e9, 2.25e20),
    (1.32e9, 300e9, 2.38e21),
    (12.85e9, 300e9, 2.31e22),
    (174.6e9, 300e9, 3.14e23),
]


@pytest.mark.parametrize(("params", "tokens", "printed"), PRINTED)
def test_gives_what_the_paper_prints(params, tokens, printed):
    assert training_flops(params, tokens) == pytest.approx(printed, rel=0.003)


def test_attention_is_12_lhqt_a_token():
    sizes = Attention(layers=2, heads=3, head_width=5, context=7)
    assert sizes.width == 15
    assert attention_flops(11, sizes) == 12 * 2 * 3 * 5 * 7 * 11
    assert training_flops(13, 11, sizes) == 6 * 13 * 11 + attention_flops(11, sizes)
    assert attention_flops(11, None) == 0


def test_equals_the_traced_network_to_the_integer():
    """N counts what is multiplied: no embedding that is looked up, no position, no norm."""
    spec = GPTSpec(depth=3, width=16, heads=4, hidden=32, tied=False)
    signature = Signature((8,), 50, "text")
    graphdef, params, rest = outline(spec, signature)

    def loss(params, tokens):
        return nnx.merge(graphdef, params, rest)(tokens).sum()

    jaxpr = jax.make_jaxpr(loss)(params, jax.ShapeDtypeStruct((2, 8), "int32"))
    trained = [True] * len(jax.tree.leaves(params)) + [False]
    traced = count_training(jaxpr, trained).total
    norms = 16 * (2 * 3 + 1)
    multiplied = parameters(params) - (50 + 8) * 16 - norms
    assert traced == training_flops(multiplied, 2 * 8, Attention(3, 4, 4, 8))
