"""Convolutions, with a backward pass that stays fast inside loops on a CPU.

XLA:CPU brings convolutions into the layout of its fast kernels only in the entry computation;
inside `lax.scan` the convolutions that autodiff writes run 33 to 60 times slower (jax issue
12868). So on a CPU the gradients are written in that layout, `b01f_01io->b01f`, from the start;
elsewhere they are the native ones, which the libraries of accelerators recognise.

Convolutions in groups, depthwise ones among them, have the native gradients everywhere: the written
ones are for one group, and networks with groups are counted today and not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.layers.contraction import Contraction, accumulator
from efficient.models.layers.gather import FEW, gather_and_multiply
from efficient.models.layers.integer import convolve_integers
from efficient.models.layers.layer import Slots, Storage, contract, expose
from efficient.models.layers.linear import Initializer, add_bias, dot

Padding = str | tuple[tuple[int, int], ...]

#: Output channels from which XLA's convolution of few input channels is fast on a CPU.
MANY = 32
HE = jax.nn.initializers.he_normal()
_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Conv(nnx.Module):
    """Convolution of images.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel_size: height and width of the kernel.
        strides: steps along height and width.
        padding: "SAME", "VALID" or `((top, bottom), (left, right))`.
        groups: into which the channels are divided, each seen by its own outputs; as many as
            inputs for a depthwise convolution.
        use_bias: whether to add a bias, which starts at zero.
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
        use_bias: bool = True,
        initialiser: Initializer = HE,
    ) -> None:
        self.path, self.position, self.storage = "", 0, Storage()
        self.op, self.slots = Convolve(strides, padding, groups), nnx.Dict()
        shape = (*kernel_size, inputs // groups, outputs)
        self.kernel = nnx.Param(initialiser(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(outputs)) if use_bias else None

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', outputs) float32."""
        with jax.named_scope(self.path):
            return expose(self, add_bias(contract(self, inputs), self.bias))


@dataclass(frozen=True)
class Convolve:
    """The contraction of a convolution: float32, or int32 for integer operands.

    Called as `op(inputs, kernel, slots)` with inputs (batch, height, width, i) and kernel
    (height, width, i // groups, o). `gathered`, it is a product on a CPU, see `gathered`.
    """

    strides: tuple[int, int] = (1, 1)
    padding: Padding = "SAME"
    groups: int = 1
    gathered: bool = False

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Slots) -> jax.Array:
        window = kernel.shape[:2]
        padding = self._resolve(inputs.shape[1:3], window)
        if self.groups > 1:
            return _convolve_groups(inputs, kernel, self.strides, padding, self.groups)
        if window == (1, 1) and padding == ((0, 0), (0, 0)):
            return dot(_stride(inputs, self.strides), kernel[0, 0], slots)
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            return convolve_integers(inputs, kernel, self.strides, padding)
        if self.gathered:
            native = partial(_convolve, strides=self.strides, padding=padding)
            product = partial(jnp.matmul, preferred_element_type=accumulator(inputs.dtype))
            return gather_and_multiply(
                inputs, kernel, self.strides, padding, product, elsewhere=native
            )
        return Contraction(
            partial(_convolve, strides=self.strides, padding=padding),
            partial(_to_inputs, shape=inputs.shape, strides=self.strides, padding=padding),
            partial(_to_kernel, shape=kernel.shape, strides=self.strides, padding=padding),
        )(inputs, kernel, slots)

    def _resolve(self, size: Sequence[int], window: Sequence[int]) -> tuple[tuple[int, int], ...]:
        if isinstance(self.padding, str):
            return tuple(lax.padtype_to_pads(size, window, self.strides, self.padding))
        return self.padding


def gathered(operation: Convolve, shape: Sequence[int]) -> Convolve:
    """The form of a convolution of floats that is fast on a CPU, without written gradients.

    shape: of the kernel. Milliseconds of XLA's convolution | gathered pixels for 128 images on one
    core (AVX-512, jax 0.10.2), kernels 5x5x1: 9.7 | 1.2 to 6 channels, 9.9 | 1.9 to 16, 2.1 | 3.9
    to 32; 3x3x3: 8.9 | 4.1 to 16, 9.1 | 11 to 64; 3x3x16 to 16: 13 | 29. Type bfloat16 is alike.
    """
    inputs, outputs = shape[2:]
    return replace(operation, gathered=inputs < FEW and outputs < MANY and operation.groups == 1)


def _convolve(
    inputs: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int] = (1, 1),
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] = (1, 1),
    rhs_dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> jax.Array:
    return lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        _LAYOUT,
        feature_group_count=groups,
        preferred_element_type=accumulator(inputs.dtype),
    )


def _convolve_groups(
    inputs: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    groups: int,
) -> jax.Array:
    """A convolution in groups, with the gradients that jax derives."""
    plain = partial(_plain, strides=strides, padding=padding, groups=groups)
    return Contraction(
        partial(_convolve, strides=strides, padding=padding, groups=groups),
        lambda gradient, w: _transpose(lambda x: plain(x, w), inputs.shape, gradient),
        lambda x, gradient: _transpose(lambda w: plain(x, w), kernel.shape, gradient),
    )(inputs, kernel, {})


def _to_inputs(
    gradient: jax.Array,
    kernel: jax.Array,
    *,
    shape: tuple[int, ...],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> jax.Array:
    """Gradient of the inputs: the dilated gradient convolved with the mirrored kernel."""

    def canonical(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
        pads, crop = [], [slice(None)]
        for axis in (0, 1):
            size, reach = shape[axis + 1], kernel.shape[axis] - 1
            spread = (gradient.shape[axis + 1] - 1) * strides[axis] + 1
            before = reach - padding[axis][0]
            pads.append((max(before, 0), max(size + reach - spread - before, 0)))
            crop.append(slice(max(-before, 0), max(-before, 0) + size))
        mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
        full = _convolve(gradient, mirrored, padding=pads, lhs_dilation=strides)
        return full[tuple(crop)].astype(gradient.dtype)

    def native(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
        return _transpose(lambda inputs: _plain(inputs, kernel, strides, padding), shape, gradient)

    return lax.platform_dependent(gradient, kernel, cpu=canonical, default=native)


def _to_kernel(
    inputs: jax.Array,
    gradient: jax.Array,
    *,
    shape: tuple[int, ...],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> jax.Array:
    """Gradient of the kernel: the inputs convolved with the gradient, images as channels."""

    def canonical(inputs: jax.Array, gradient: jax.Array) -> jax.Array:
        pads, crop = [], [slice(None)]
        for axis in (0, 1):
            size, before = inputs.shape[axis + 1], padding[axis][0]
            spread = (gradient.shape[axis + 1] - 1) * strides[axis] + 1
            after = shape[axis] - 1 + spread - size - before
            pads.append((before, max(after, 0)))
            crop.append(slice(0, size + min(after, 0)))
        images = inputs[tuple(crop)].transpose(3, 1, 2, 0)
        window = gradient.transpose(1, 2, 0, 3)
        turned = _convolve(images, window, padding=pads, rhs_dilation=strides)
        return turned.transpose(1, 2, 0, 3).astype(inputs.dtype)

    def native(inputs: jax.Array, gradient: jax.Array) -> jax.Array:
        return _transpose(lambda kernel: _plain(inputs, kernel, strides, padding), shape, gradient)

    return lax.platform_dependent(inputs, gradient, cpu=canonical, default=native)


def _plain(
    inputs: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    groups: int = 1,
) -> jax.Array:
    """The convolution in the type of its operands, as jax can transpose it."""
    return lax.conv_general_dilated(
        inputs, kernel, strides, padding, dimension_numbers=_LAYOUT, feature_group_count=groups
    )


def _transpose(
    linear: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], gradient: jax.Array
) -> jax.Array:
    """Gradient of the operand, of `shape`, of a linear function."""
    operand = jax.ShapeDtypeStruct(shape, gradient.dtype)
    return jax.linear_transpose(linear, operand)(gradient)[0]


def _stride(images: jax.Array, strides: Sequence[int]) -> jax.Array:
    """Every `strides`-th pixel of (batch, height, width, channels)."""
    if tuple(strides) == (1, 1):
        return images
    return lax.slice(images, (0, 0, 0, 0), images.shape, (1, *strides, 1))
