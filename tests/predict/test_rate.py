"""What was measured is read off as it was measured; between sizes lies what is between."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import OVERHEAD_S, calibration

from efficient.cost.microbenchmark import benchmarks
from efficient.predict.rate import Rates

#: Every benchmark another rate, spread over two powers of ten; convolutions below all products.
UNEVEN = dataclasses.replace(
    calibration(),
    **{
        kind: {
            made.name: (1e7 if kind == "convolution" else 1e9) * (1 + 37 * number % 97)
            for number, made in enumerate(benchmarks())
            if made.kind == kind
        }
        for kind in ("matmul", "convolution", "copy")
    },
)
RATES = Rates(UNEVEN)
COPIES = sorted(
    (int(name.split()[1]), rate)
    for name, rate in UNEVEN.copy.items()
    if name.startswith("straight")
)
SIZES = st.integers(1, 2048)


@pytest.mark.parametrize("size,rate", COPIES)
def test_a_copy_of_a_measured_size_has_its_rate(size, rate):
    assert RATES.straight(size) == pytest.approx(rate)


def test_beyond_the_measured_sizes_the_last_rate_holds():
    assert RATES.straight(1) == pytest.approx(COPIES[0][1])
    assert RATES.straight(1e15) == pytest.approx(COPIES[-1][1])


@given(st.floats(COPIES[0][0], COPIES[-1][0]))
def test_between_two_copies_lies_a_rate_between_theirs(size):
    below = [rate for known, rate in COPIES if known <= size][-1]
    above = next(rate for known, rate in COPIES if known >= size)
    assert min(below, above) * 0.999 <= RATES.straight(size) <= max(below, above) * 1.001


@pytest.mark.parametrize("name,rate", UNEVEN.convolution.items())
def test_a_convolution_of_a_measured_size_has_its_rate(name, rate):
    _, form, text = name.split()
    images, size, inputs, outputs, window = map(int, text.split("x"))
    shape = images * size * size, inputs, outputs, window * window
    assert RATES.convolution(form, shape, "float32") == pytest.approx(rate, rel=1e-3)


@given(SIZES, SIZES, SIZES)
def test_a_product_is_no_faster_than_the_fastest_and_no_slower_than_the_slowest(a, b, c):
    known = [rate for name, rate in UNEVEN.matmul.items() if name.startswith("float32 forward")]
    found = RATES.product("forward", (a, b, c), "float32")
    assert min(known) * 0.999 <= found <= 2 * max(known) * 1.001  # 2: the overhead is taken out


def test_the_overhead_is_the_time_of_the_smallest_product():
    assert Rates(calibration()).overhead_s == pytest.approx(OVERHEAD_S)


def test_low_precision_is_as_much_faster_as_at_the_size_it_was_measured_at():
    even = calibration()
    name = next(name for name in even.matmul if name.startswith("bfloat16"))
    plain = Rates(even)
    faster = {**even.matmul, name: 3 * even.matmul[name]}
    rates = Rates(dataclasses.replace(even, matmul=faster))
    shape = (256, 256, 256)
    ratio = rates.product("forward", shape, "bfloat16") / plain.product(
        "forward", shape, "bfloat16"
    )
    assert ratio == pytest.approx(3, rel=0.01)
    assert rates.product("forward", shape, "float32") == plain.product("forward", shape, "float32")


def test_a_form_or_type_that_was_not_measured_is_taken_for_the_plain_one():
    plain = RATES.product("forward", (64, 64, 64), "float32")
    assert RATES.product("forward", (64, 64, 64), "float64") == plain
    assert RATES.product("unheard of", (64, 64, 64), "float32") == plain
    assert math.isfinite(RATES.convolution("forward", (1, 1, 1, 1), "int8"))


def test_more_channels_out_take_less_than_their_share_where_gathering_takes_the_time():
    """An element of a patch is gathered once, whatever it is multiplied with."""
    slow = {name: rate / 100 for name, rate in calibration().convolution.items()}
    rates = Rates(dataclasses.replace(calibration(), convolution=slow))
    few, many = ((10**4, 8, outputs, 9) for outputs in (16, 32))
    assert (
        rates.convolution("forward", many, "float32") / rates.convolution("forward", few, "float32")
        > 1.5
    )


def test_a_convolution_faster_than_its_product_is_hardly_any_gathering():
    fast = {name: 100 * rate for name, rate in calibration().convolution.items()}
    rates = Rates(dataclasses.replace(calibration(), convolution=fast))
    product = rates.product("forward", (64 * 8 * 8, 64 * 9, 64), "float32")
    found = rates.convolution("forward", (64 * 8 * 8, 64, 64, 9), "float32")
    assert 0.9 * product < found < product
