"""What the processor can do decides the form of integers, and what a reader is told."""

import pytest

from efficient.benchmark import here
from efficient.ledger.benchmark import Contraction


def made(*dtypes):
    return Contraction(dtypes[0], dict.fromkeys(dtypes, 1), 1, 1, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("features", [(), ("avx2",), ("avx512_vnni",), ("amx_int8", "amx_bf16")])
def test_the_processor_decides(features, monkeypatch):
    monkeypatch.setattr(here, "processor", lambda: ("Some CPU", features))
    assert here.shifted() == ("avx512_vnni" in features)
    lines = here.lacks([made("float32"), made("int8", "float32"), made("bfloat16")])
    slow = [dtype for dtype, fast in here.FAST.items() if not set(fast) & set(features)]
    assert [line.split(": ")[1].split()[0] for line in lines] == slow
    assert all(line.startswith("Some CPU has none of ") for line in lines)
    assert here.lacks([made("float32")]) == ()


def test_free_memory_is_known_here():
    free = here.free_bytes()
    assert free is None or free > 0
