"""Multi-layer perceptron on flattened images.

With hidden sizes 300 and 100 this is LeNet-300-100 (LeCun et al. 1998): 266,610 parameters and
532,400 FLOPs per image of 28 x 28 x 1.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import jax
from flax import nnx

from efficient.models.cut import Group, Keep, hidden_left, hidden_neurons
from efficient.models.layers import Dropout, Linear, name_layers
from efficient.models.signature import Signature, SpecError


@dataclass(frozen=True)
class MLPSpec:
    """Sizes of a perceptron.

    Attributes:
        hidden: size of every hidden layer; empty for softmax regression.
        dropout: rate on the outputs of the hidden layers.
        input_dropout: rate on the inputs.
    """

    hidden: tuple[int, ...] = (300, 100)
    dropout: float = 0.0
    input_dropout: float = 0.0

    def build(self, signature: Signature, rngs: nnx.Rngs) -> MLP:
        """Builds the network; raises SpecError for texts, for sizes below 1 and for other rates."""
        signature.require("image", "mlp")
        if min(self.hidden, default=1) < 1:
            raise SpecError(f"mlp has hidden {self.hidden}: every size must be at least 1")
        for name in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(f"mlp has {name} {getattr(self, name)}: use a rate in [0, 1)")
        model = MLP(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: the neurons of every hidden layer."""
        del signature
        return hidden_neurons(self.hidden)

    def shrink(self, keep: Keep) -> MLPSpec:
        """The sizes that are left with the units of `keep`."""
        return replace(self, hidden=hidden_left(self.hidden, keep))


class MLP(nnx.Module):
    """Linear layers with ReLU and dropout (Srivastava et al. 2014) between them."""

    def __init__(self, spec: MLPSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        sizes = (math.prod(signature.input_shape), *spec.hidden)
        self.depth = len(spec.hidden)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            layer = Linear(inputs, outputs, rngs=rngs, initialiser=nnx.initializers.he_normal())
            setattr(self, f"hidden_{number}", layer)
        self.head = Linear(sizes[-1], signature.classes, rngs=rngs)
        self.dropout = Dropout(spec.dropout, rngs=rngs)
        self.input_dropout = Dropout(spec.input_dropout, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = self.input_dropout(inputs.reshape(inputs.shape[0], -1))
        for number in range(self.depth):
            x = self.dropout(nnx.relu(getattr(self, f"hidden_{number}")(x)))
        return self.head(x)
