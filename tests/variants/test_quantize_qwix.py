"""The same rule in Qwix, another library, gives the same integers.

Qwix reaches half a step past the last integer; told to scale the largest magnitude by that much it
has our rule.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

from efficient.models.clip import largest_integer
from efficient.models.grid import place
from efficient.models.layers import Storage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_qwix_rounds_to_the_same_integers(bits, axis):
    qwix = pytest.importorskip("qwix", reason="qwix is not installed: pip install qwix")
    kernel = jax.random.normal(jax.random.key(bits), (120, 30))
    top = largest_integer(bits)
    theirs = qwix.quantize(
        kernel,
        f"int{bits}",
        channelwise_axes=() if axis is None else (axis,),
        calibration_method=f"absmax,{(top + 0.5) / top}",
    )
    integers, step = place(kernel, Storage("int8", bits, axis))
    np.testing.assert_allclose(theirs.scale, step, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(theirs.qvalue).astype(np.int32), integers)
