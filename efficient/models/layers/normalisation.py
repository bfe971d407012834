"""Normalisation: a convolution with its batch normalisation, and layer normalisation.

Batch normalisation: Ioffe and Szegedy 2015, arXiv 1502.03167. Layer normalisation: Ba, Kiros and
Hinton 2016, arXiv 1607.06450.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.layers.convolution import HE, Convolve, Padding
from efficient.models.layers.layer import Storage, contract, expose
from efficient.models.layers.linear import Initializer

EPSILON = 1e-5
MOMENTUM = 0.9


class ConvNorm(nnx.Module):
    """A convolution and the batch normalisation of its outputs: one layer, for they fold.

    In training the statistics are those of the batch (variance of the population, from the mean
    of the squares, as in flax) and the running ones move by `1 - MOMENTUM` towards them;
    `model.eval()` uses the running ones. A folded layer is a convolution with a bias and has no
    statistics.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel_size: height and width of the kernel.
        strides: steps along height and width.
        padding: "SAME", "VALID" or `((top, bottom), (left, right))`.
        groups: into which the channels are divided, as in Conv.
        initialiser: of the kernel, `(height, width, inputs // groups, outputs)`.
        rngs: source of the initial kernel.
    """

    kind = "convolution"
    output_axis = 3
    tapped = False

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: tuple[int, int],
        *,
        rngs: nnx.Rngs,
        strides: tuple[int, int] = (1, 1),
        padding: Padding = "SAME",
        groups: int = 1,
        initialiser: Initializer = HE,
    ) -> None:
        self.path, self.position, self.storage = "", 0, Storage()
        self.op, self.slots = Convolve(strides, padding, groups), nnx.Dict()
        self.use_running_average, self.folded = False, False
        shape = (*kernel_size, inputs // groups, outputs)
        self.kernel = nnx.Param(initialiser(rngs.params(), shape, jnp.float32))
        self.scale = nnx.Param(jnp.ones(outputs))
        self.bias = nnx.Param(jnp.zeros(outputs))
        self.mean = nnx.BatchStat(jnp.zeros(outputs))
        self.variance = nnx.BatchStat(jnp.ones(outputs))

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', outputs) float32."""
        with jax.named_scope(self.path):
            return expose(self, self._normalise(contract(self, inputs)))

    def _normalise(self, outputs: jax.Array) -> jax.Array:
        if self.folded:
            return outputs + _spread(self.bias[...])
        if self.use_running_average:
            mean, variance = self.mean[...], self.variance[...]
        else:
            mean, variance = self._observe(outputs)
        factor = self.scale[...] * lax.rsqrt(variance + EPSILON)
        return outputs * _spread(factor) + _spread(self.bias[...] - mean * factor)

    def fold(self) -> None:
        """Folds the running statistics into kernel and bias, in place."""
        params = {"kernel": self.kernel[...], "scale": self.scale[...], "bias": self.bias[...]}
        rest = {"mean": self.mean[...], "variance": self.variance[...]}
        self.kernel[...], self.bias[...] = fold(params, rest)
        self.folded = True
        del self.scale, self.mean, self.variance

    def _observe(self, outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = outputs.mean((0, 1, 2))
        squares = jnp.square(outputs).mean((0, 1, 2))
        variance = jnp.maximum(squares - jnp.square(mean), 0.0)
        for running, seen in ((self.mean, mean), (self.variance, variance)):
            running[...] = MOMENTUM * running[...] + (1 - MOMENTUM) * lax.stop_gradient(seen)
        return mean, variance


class LayerNorm(nnx.Module):
    """Normalises the last axis to mean 0 and variance 1, then scales and shifts it.

    Args:
        width: size of the last axis.
        use_bias: whether to shift.
    """

    def __init__(self, width: int, *, use_bias: bool = True) -> None:
        self.path, self.position = "", 0
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width)) if use_bias else None

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(..., width) to (..., width) float32."""
        with jax.named_scope(self.path):
            centred = inputs - inputs.mean(-1, keepdims=True)
            variance = jnp.square(centred).mean(-1, keepdims=True)
            ones = (1,) * (inputs.ndim - 1)
            normal = centred * lax.rsqrt(variance + EPSILON) * self.scale[...].reshape(*ones, -1)
            return normal if self.bias is None else normal + self.bias[...].reshape(*ones, -1)


def fold(params: dict[str, jax.Array], rest: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Kernel and bias of the one convolution that equals a ConvNorm in evaluation.

    Args:
        params: `kernel` (height, width, i, o), `scale` (o,), `bias` (o,).
        rest: running `mean` (o,) and `variance` (o,).
    """
    factor = params["scale"] / (rest["variance"] + EPSILON) ** 0.5
    return params["kernel"] * factor.reshape(1, 1, 1, -1), params["bias"] - rest["mean"] * factor


def _spread(channels: jax.Array) -> jax.Array:
    return channels.reshape(1, 1, 1, -1)
