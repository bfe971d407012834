"""Convolutions as products: pixels are gathered into a matrix, which multiplies the kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

Padding = Sequence[tuple[int, int]]
Product = Callable[[jax.Array, jax.Array], jax.Array]
Widths = tuple[tuple[int, int], ...]
Pad = Callable[[jax.Array, np.ndarray, Widths], jax.Array]

#: Neighbouring outputs that share what is gathered for them on a CPU: of few channels, and of more.
FEW, NEIGHBOURS = 4, (4, 2)


def gather_and_multiply(
    inputs: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Padding,
    product: Product,
    zero: int = 0,
    elsewhere: Product | None = None,
) -> jax.Array:
    """Images (batch, height, width, i), kernel (height, width, i, o): (batch, height', width', o).

    product: of (..., height * width * i) and (height * width * i, o); zero: what pads the images;
    elsewhere: the convolution on other platforms than a CPU, by default also gathered.
    """
    form = partial(_gather, strides=strides, padding=padding, product=product, zero=zero)
    cpu = partial(form, neighbours=NEIGHBOURS[kernel.shape[2] >= FEW], pad=_pad_apart)
    return lax.platform_dependent(inputs, kernel, cpu=cpu, default=elsewhere or form)


@partial(jax.jit, static_argnums=2)
def _pad(images: jax.Array, value: np.ndarray, widths: Widths) -> jax.Array:
    return jnp.pad(images, widths, constant_values=value)


def _pad_apart(images: jax.Array, value: np.ndarray, widths: Widths) -> jax.Array:
    """Not inlined, so that the images are written down once.

    XLA fuses what makes them (rounding, and the pooling before it) into each slice of them, and so
    computes it again for every pixel of the window. Barriers are gone before it fuses.
    """
    with set_xla_metadata(inlineable="false"):
        return _pad(images, value, widths)


def _gather(
    inputs: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int],
    padding: Padding,
    product: Product,
    zero: int,
    neighbours: int = 1,
    pad: Pad = _pad,
) -> jax.Array:
    """Gathers, for every few neighbouring outputs of a row, the pixels that they see.

    Neighbours share most of their pixels, so that less is copied than for each alone; the matrix
    then holds the kernel once for each of them, moved by its stride, beside zeros. Columns are
    gathered before rows: of the second step each piece is long.
    """
    (height, width, _, outputs), (down, across) = kernel.shape, strides
    padded = [size + sum(pads) for size, pads in zip(inputs.shape[1:3], padding, strict=True)]
    rows = (padded[0] - height) // down + 1
    columns = (padded[1] - width) // across + 1
    groups, step = -(-columns // neighbours), neighbours * across
    reach = width + step - across
    (top, bottom), (left, right) = padding
    right += max((groups - 1) * step + reach - padded[1], 0)
    value = np.asarray(zero, inputs.dtype)
    images = pad(inputs, value, ((0, 0), (top, bottom), (left, right), (0, 0)))
    last_row, last_column = (rows - 1) * down + 1, (groups - 1) * step + 1
    seen = [images[:, :, left : left + last_column : step] for left in range(reach)]
    rows_seen = jnp.concatenate(seen, -1)
    seen = [rows_seen[:, top : top + last_row : down] for top in range(height)]
    sums = product(jnp.concatenate(seen, -1), _repeat(kernel, neighbours, across))
    return sums.reshape(-1, rows, groups * neighbours, outputs)[:, :, :columns]


def _repeat(kernel: jax.Array, neighbours: int, stride: int) -> jax.Array:
    """The kernel for each neighbour, side by side: (height * reach * i, neighbours * o)."""
    spare = (neighbours - 1) * stride
    moved = [
        jnp.pad(kernel, ((0, 0), (left, spare - left), (0, 0), (0, 0)))
        for left in range(0, spare + 1, stride)
    ]
    return jnp.stack(moved, 3).reshape(-1, neighbours * kernel.shape[3])
