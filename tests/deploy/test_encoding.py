"""Arrays as bytes: what is decoded is what was encoded, and what is stored has its form."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from efficient.deploy.encoding import ENTRY_BYTES, KEPT, Form, check, decode, encode
from efficient.deploy.error import ArtefactError

SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, max_side=7)


@st.composite
def integers(draw):
    """(array, bits): integers of so many bits, some or nearly all of them zero."""
    bits, shape = draw(st.integers(1, 8)), draw(SHAPES)
    low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    array = draw(arrays_of.arrays(np.int8, shape, elements=st.integers(low, high)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    repeated = np.repeat(array[None], draw(st.sampled_from((1, 40))), 0)
    density = draw(st.sampled_from((0.0, 0.02, 0.5, 1.0)))
    return repeated * (rng.random(repeated.shape) < density).astype(np.int8), bits


@st.composite
def floats(draw):
    """Any floats, negative zeros and NaNs included, and many zeros."""
    dtype = draw(st.sampled_from((np.float32, ml_dtypes.bfloat16)))
    array = draw(arrays_of.arrays(np.float32, draw(SHAPES), elements=st.floats(width=32)))
    many = np.zeros((draw(st.sampled_from((1, 30))), *array.shape), np.float32)
    many[0] = array
    with np.errstate(over="ignore"):
        return many.astype(dtype)


def round_trip(array, bits=8):
    form, stored = encode("w", array, bits)
    check({"w": form}, stored)
    found = decode("w", form, stored)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
    traced = np.asarray(jax.jit(lambda parts: decode("w", form, parts, jnp))(stored))
    assert (traced.dtype, traced.tobytes()) == (array.dtype, array.tobytes())
    assert sum(part.nbytes for part in stored.values()) <= array.nbytes
    return form, stored


@given(integers())
def test_integers_of_any_bits_and_shape_come_back(case):
    form, stored = round_trip(*case)
    array, bits = case
    if form.kept is None and form.code == "integer":
        assert stored["w"].nbytes == -(-array.size * bits // 8)


@given(floats())
def test_floats_come_back_to_the_last_bit(array):
    form, _ = round_trip(array)
    assert form.code == "plain"


@pytest.mark.parametrize(
    ("numbers", "bits", "code", "stored"),
    [
        ([1, -1, 7], 4, "integer", [0xF1, 0x07]),
        ([3, -4, 1], 3, "integer", [0b01100011, 0b0]),
        ([-1, 0, 1, 1, -1, 1], 2, "ternary", [0 + 3 * 1 + 9 * 2 + 27 * 2, 2]),
        ([1, -1, 1], 1, "binary", [0b101]),
        ([127, -128], 8, "plain", [127, -128]),
    ],
)
def test_the_bytes_are_those_of_the_document(numbers, bits, code, stored):
    form, found = encode("w", np.array(numbers, np.int8), bits)
    assert form.code == code
    assert found["w"].tolist() == stored


def test_zeros_are_dropped_where_that_is_smaller():
    weights = np.zeros(10_000, np.float32)
    weights[::10] = 1.5
    form, stored = encode("w", weights)
    assert (form.kept, stored["w"].nbytes, stored["w" + KEPT].nbytes) == (1000, 4000, 1250)
    weights[:] = np.where(np.arange(10_000) % 32, 1.5, 0)  # 31 of 32: a bitmap costs as much
    assert encode("w", weights)[0].kept is None
    few = np.zeros(ENTRY_BYTES // 4, np.float32)  # another array would cost more than it saves
    assert encode("w", few)[0].kept is None


def test_sparse_ternary_weights_are_signs():
    weights = np.zeros(10_000, np.int8)
    weights[::8], weights[4::8] = 1, -1
    form, stored = encode("w", weights, 2)
    assert (form.code, form.kept) == ("binary", 2500)
    assert sum(part.nbytes for part in stored.values()) == 1250 + 313 < 2000


def test_an_integer_outside_its_bits_is_refused():
    with pytest.raises(ArtefactError, match="'w' has integers from -1 to 8, which 4 bits"):
        encode("w", np.array([-1, 8], np.int8), 4)


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": "float64"},
        {"dtype": "float32", "code": "integer", "bits": 4},
        {"code": "huffman"},
        {"code": "integer", "bits": 8},
        {"code": "integer", "bits": 0},
        {"bits": 4},
        {"kept": 7},
        {"kept": -1},
        {"shape": (-2, -3)},
    ],
)
def test_a_form_that_no_array_has_is_refused(changed):
    fields = {"dtype": "int8", "shape": (2, 3)} | changed
    with pytest.raises(ArtefactError, match="no array can have the form"):
        Form(**fields)


def sparse():
    weights = np.zeros((100, 100), np.float32)
    weights[3] = 1
    return encode("w", weights)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("w", lambda a: a[:-1], r"'w' is float32\(99,\), its card says float32\(100,\)"),
        ("w", lambda a: a.astype(np.float64), r"'w' is float64\(100,\)"),
        (
            "w" + KEPT,
            lambda a: np.append(a[:-1], a[-1] | 1),
            "'w/kept' marks 101 numbers",
        ),
        ("w" + KEPT, lambda a: a[1:], r"'w/kept' is uint8\(1249,\)"),
        ("w" + KEPT, None, "'w/kept' is missing"),
        ("v", lambda _: np.ones(3, np.float32), "'v' is unknown"),
    ],
)
def test_stored_arrays_of_another_form_are_refused(part, change, words):
    form, stored = sparse()
    check({"w": form}, stored)
    changed = {n: a for n, a in stored.items() if n != part}
    if change:
        changed[part] = change(stored.get(part))
    with pytest.raises(ArtefactError, match=words):
        check({"w": form}, changed)


def test_a_form_says_what_the_file_holds():
    form, stored = sparse()
    parts = {name: (array.dtype.name, array.shape) for name, array in stored.items()}
    assert form.parts("w") == parts
    assert dataclasses.replace(form, kept=None).parts("w") == {"w": ("float32", (100, 100))}
