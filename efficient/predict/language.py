"""FLOPs of training a transformer on text, from its sizes alone.

C = 6 N D + 12 L H Q T D, a multiply-add counted as 2 (PaLM: Chowdhery et al. 2022, arXiv
2204.02311, appendix B): each of N weights is multiplied once forward and twice backward for each
of D tokens, and each of L layers with H heads of width Q compares a token with T others. The
attention is counted whole, as a dense kernel computes it; a causal kernel may skip half of it.

N is the number of weights that a token is multiplied with:

- the kernel of the logits counts, once if it is also the embedding; an embedding that is only
  looked up, and positions, do not count. PaLM and nanoGPT count so. In a small model this decides:
  73 % of Pythia-70M are embeddings;
- of a mixture of experts only the active weights count;
- in an encoder with a decoder a token passes about one half: 3 N D, not 6 (T5);
- the table D.1 of the GPT-3 paper leaves the attention out, as we do without its sizes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attention:
    """Sizes of the attention: blocks, heads of each, width of a head, tokens attended to."""

    layers: int
    heads: int
    head_width: int
    context: int

    @property
    def width(self) -> int:
        """Of the heads together, which is the residual stream's in every usual model."""
        return self.heads * self.head_width


def training_flops(params: float, tokens: float, attention: Attention | None = None) -> int:
    """FLOPs of one pass over `tokens`, forward and backward, without rematerialisation."""
    return round(6 * params * tokens + attention_flops(tokens, attention))


def attention_flops(tokens: float, attention: Attention | None) -> int:
    """The part of it that grows with the context, 0 where its sizes are not given."""
    if attention is None:
        return 0
    return round(12 * attention.layers * attention.width * attention.context * tokens)
