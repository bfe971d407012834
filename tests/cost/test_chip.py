"""Chips: dense peaks, which chip a device is, and the type in which it really multiplies."""

import pytest

from efficient.cost.chip import DTYPES, ChipError, chip, chips, executed_dtype, find, peak


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("H100-SXM", "bfloat16", 989e12),
        ("H100-SXM", "int8", 1979e12),
        ("H100-SXM", "tfloat32", 495e12),
        ("H100-SXM", "float32", 67e12),
        ("H100-PCIe", "bfloat16", 756e12),
        ("H200-SXM", "bfloat16", 989e12),
        ("A100-SXM-80GB", "bfloat16", 312e12),
        ("A100-SXM-80GB", "tfloat32", 156e12),
        ("V100-SXM2", "float16", 125e12),
        ("L4", "int8", 242e12),
        ("TPU-v5p", "bfloat16", 459e12),
        ("TPU-v6e", "int8", 1836e12),
    ],
)
def test_peaks_are_dense(name, dtype, expected):
    assert chip(name).flops_per_s[dtype] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("known", chips().values(), ids=lambda known: known.name)
def test_rates_and_units_are_plausible(known):
    rates = [known.flops_per_s[dtype] for dtype in DTYPES if dtype in known.flops_per_s]
    assert set(known.flops_per_s) <= set(DTYPES) and rates
    wide = max(known.flops_per_s.get(dtype, 0.0) for dtype in ("float16", "bfloat16"))
    assert 10e12 < wide < 3000e12
    assert known.flops_per_s.get("float32", 0.0) <= wide
    # Half the bits are twice as fast; a sparse rate that slipped in would be four times. Consumer
    # chips add 16-bit products in 32 bits at half their speed, which doubles the factor.
    factor = 4 if "32-bit sums" in known.note else 2
    assert all(known.flops_per_s.get(t, 0.0) <= 1.03 * factor * wide for t in ("float8", "int8"))
    assert 16e9 <= known.memory_bytes <= 200e9
    assert 300e9 <= known.bandwidth_bytes_per_s <= 8e12
    # Operations for each byte: between the flattest and the steepest roofline of the table.
    assert 25 <= wide / known.bandwidth_bytes_per_s <= 600
    assert known.tdp_w is None or 70 <= known.tdp_w <= 1000
    assert known.devices_per_chip in (1, 2)
    if known.power_w is not None:
        assert known.power_low_w <= known.power_w <= known.power_high_w
        assert known.power_source
    else:
        assert known.power_low_w is known.power_high_w is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("NVIDIA H200", "H200-SXM"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM-40GB"),
        ("A100-SXM4-40GB", "A100-SXM-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIe-80GB"),
        ("NVIDIA A10", "A10"),
        ("Tesla V100-SXM2-16GB", "V100-SXM2"),
        ("nvidia tesla v100 sxm2 32gb", "V100-SXM2-32GB"),
        ("TPU v5", "TPU-v5p"),
        ("TPU v5p", "TPU-v5p"),
        ("TPU v5 lite", "TPU-v5e"),
        ("TPU v6 lite", "TPU-v6e"),
        ("TPU7x", "TPU7x"),
    ],
)
def test_device_kinds_are_found(kind, name):
    found = find(kind)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "kind",
    ["NVIDIA H100", "NVIDIA H100 NVL", "NVIDIA H200 NVL", "NVIDIA A10G", "NVIDIA L40", "NVIDIA",
     "TPU v4 lite", "TPU v9", "NVIDIA GeForce RTX 4090 Laptop GPU", "cpu", "",
     "Intel(R) Xeon(R) Processor"],
)  # fmt: skip
def test_an_unknown_kind_is_no_chip(kind):
    assert find(kind) is None


def test_no_two_chips_share_a_kind():
    kinds = [kind.casefold() for known in chips().values() for kind in known.device_kinds]
    assert len(set(kinds)) == len(kinds)
    assert all(find(kind) is known for known in chips().values() for kind in known.device_kinds)


def test_a_chip_is_named_in_any_spelling():
    assert chip("h100 sxm") is chip("H100-SXM") is chip("NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("H20", "H200-SXM"),
        ("H-100", "H100-SXM or H100-PCIe"),
        ("B300", "B200"),
        ("tpuv5", "v5e or"),
    ],
)
def test_an_unknown_name_gets_the_nearest(name, near):
    with pytest.raises(ChipError, match=near) as error:
        chip(name)
    assert repr(name) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "devices_per_chip"), [("TPU-v3", 2), ("TPU7x", 2), ("TPU-v4", 1)])
def test_a_core_is_half_a_chip(name, devices_per_chip):
    known = chip(name)
    found = peak(known, "bfloat16", 8)
    assert found is not None
    assert found.flops_per_s == known.flops_per_s["bfloat16"] * 8 / devices_per_chip
    assert found.dtype == "bfloat16" and name in found.source and known.source in found.source


@pytest.mark.parametrize(
    ("platform", "dtype", "precision", "name", "executed"),
    [
        ("gpu", "float32", None, "A100-SXM-80GB", "tfloat32"),
        ("cuda", "float32", None, "H200-SXM", "tfloat32"),
        ("gpu", "float32", None, "V100-SXM2", "float32"),
        ("gpu", "float32", "highest", "A100-SXM-80GB", "float32"),
        ("gpu", "bfloat16", None, "A100-SXM-80GB", "bfloat16"),
        ("gpu", "uint8", None, "A100-SXM-80GB", "int8"),
        ("gpu", "float8_e4m3fn", None, "H100-SXM", "float8"),
        ("tpu", "float32", None, "TPU-v4", "bfloat16"),
    ],
)
def test_the_peak_is_of_the_type_that_runs(platform, dtype, precision, name, executed):
    found, source = executed_dtype(platform, dtype, precision)
    rate = peak(chip(name), found, 1)
    assert rate is not None and source
    assert rate.dtype == executed
    assert rate.flops_per_s == chip(name).flops_per_s[executed]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("V100-SXM2", "bfloat16"), ("A100-SXM-80GB", "float8"), ("TPU-v4", "float32"),
     ("H100-SXM", "float64")],
)  # fmt: skip
def test_a_type_without_units_has_no_peak(name, dtype):
    assert peak(chip(name), dtype, 1) is None


def test_a_cpu_multiplies_what_it_is_given():
    assert executed_dtype("cpu", "float32")[0] == "float32"
    assert executed_dtype("cpu", "bfloat16")[0] == "bfloat16"
