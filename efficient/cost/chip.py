"""Chips: how fast their arithmetic and their memory can be at best, and what power they take.

Every rate is dense and of the number type that the chip really multiplies. A chip that is not in
the table is None: utilisation of an unknown peak would be a guess.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from efficient.cost.table import rows
from efficient.ledger.bill import Peak

#: Types that a chip may have a rate for.
DTYPES = ("float32", "tfloat32", "float16", "bfloat16", "float8", "int8", "int4")
#: Words of a device kind that name the vendor and not the part.
VENDORS = {"nvidia", "tesla", "amd", "google", "cloud"}
#: What jax multiplies 32-bit numbers as, unless told otherwise.
DEFAULT_PRECISION = {"gpu": "tfloat32", "cuda": "tfloat32", "tpu": "bfloat16"}
PRECISION_SOURCE = "docs.jax.dev, Matmul precision: TF32 on recent GPUs, bfloat16 on TPU by default"
#: Values of `jax_default_matmul_precision` that keep all 32 bits.
FULL_PRECISION = ("float32", "highest", "F32_F32_F32")


class ChipError(ValueError):
    """A chip that is not known: one line naming it and the nearest that is."""


@dataclass(frozen=True)
class Chip:
    """One part, as sold.

    device_kinds      what jax prints for it; devices_per_chip: how many devices jax shows of it
    flops_per_s       dense peak of the whole chip by type of `DTYPES`; a type without units of its
                      own is absent
    memory_bytes, bandwidth_bytes_per_s  as advertised; bandwidth to the memory on the chip's board
    tdp_w             rated power limit of chip or board, None where none is published
    power_low_w, power_high_w  averages over whole jobs that were published, per chip and with its
                      share of the host; None where there are none; `power_source` says whose
    status            verified (the source was read) or recalled, by part of the row
    """

    name: str
    device_kinds: tuple[str, ...]
    devices_per_chip: int
    year: int
    flops_per_s: dict[str, float]
    memory_bytes: float
    bandwidth_bytes_per_s: float
    tdp_w: float | None
    power_low_w: float | None
    power_high_w: float | None
    power_source: str
    source: str
    status: str
    note: str

    @property
    def power_w(self) -> float | None:
        """Middle of the published averages, None where there are none."""
        if self.power_low_w is None or self.power_high_w is None:
            return None
        return (self.power_low_w + self.power_high_w) / 2


@cache
def chips() -> dict[str, Chip]:
    """The known chips by name."""
    return {row.name: _chip(row) for row in rows("chips", _Row)}


def chip(name: str) -> Chip:
    """The chip of that name, or of that device kind.

    Raises:
        ChipError: there is none.
    """
    for known in chips().values():
        if _normal(known.name) == _normal(name):
            return known
    if found := find(name):
        return found
    listed = "`efficient machine --chips` lists all"
    raise ChipError(f"chip {name!r} is not known: did you mean {_nearest(name)}? {listed}")


def find(device_kind: str) -> Chip | None:
    """The chip that jax calls `device_kind`, None when it is not one of the table.

    Capitals, separators and the vendor's name do not matter; every other word does: an "H200 NVL"
    is no H200, and a plain "H100" may be either of two parts.
    """
    exact = (known for known in chips().values() if device_kind in known.device_kinds)
    wanted = _normal(device_kind)
    alike = (c for c in chips().values() if wanted in map(_normal, c.device_kinds))
    return next(exact, next(alike, None))


def executed_dtype(platform: str, dtype: str, precision: str | None = None) -> tuple[str, str]:
    """The type of `DTYPES` in which `platform` multiplies operands of `dtype`, and who says so.

    `platform` is jax's (cpu, gpu, cuda, tpu); `precision` is `jax_default_matmul_precision` where
    the program sets it. A GPU without TF32 units multiplies in float32: see `peak`.
    """
    if dtype == "float32" and platform in DEFAULT_PRECISION:
        if precision in FULL_PRECISION:
            return dtype, f"jax_default_matmul_precision={precision}"
        return DEFAULT_PRECISION[platform], PRECISION_SOURCE
    short = re.sub(r"^u(?=int)", "", dtype)
    return "float8" if short.startswith("float8") else short, "type of the operands"


def peak(chip: Chip, dtype: str, devices: int) -> Peak | None:
    """Dense peak of `devices` jax devices of `chip` together, for products executed in `dtype`.

    None when the chip has no rate for the type. Older GPUs have no TF32 units and run in float32.
    """
    if dtype == "tfloat32" and dtype not in chip.flops_per_s:
        dtype = "float32"
    if dtype not in chip.flops_per_s:
        return None
    rate = chip.flops_per_s[dtype] * devices / chip.devices_per_chip
    return Peak(rate, dtype, f"{chip.name}, dense: {chip.source} ({chip.status})")


@dataclass(frozen=True)
class _Row:
    """A line of the table, in its units."""

    name: str
    device_kinds: tuple[str, ...]
    devices_per_chip: int
    year: int
    float32: float | None
    tfloat32: float | None
    float16: float | None
    bfloat16: float | None
    float8: float | None
    int8: float | None
    int4: float | None
    memory_gb: float
    bandwidth_gb_s: float
    tdp_w: float | None
    power_low_w: float | None
    power_high_w: float | None
    power_source: str
    source: str
    status: str
    note: str


def _chip(row: _Row) -> Chip:
    rates = {dtype: getattr(row, dtype) for dtype in DTYPES}
    return Chip(
        name=row.name,
        device_kinds=row.device_kinds,
        devices_per_chip=row.devices_per_chip,
        year=row.year,
        flops_per_s={dtype: rate * 1e12 for dtype, rate in rates.items() if rate is not None},
        memory_bytes=row.memory_gb * 1e9,
        bandwidth_bytes_per_s=row.bandwidth_gb_s * 1e9,
        tdp_w=row.tdp_w,
        power_low_w=row.power_low_w,
        power_high_w=row.power_high_w,
        power_source=row.power_source,
        source=row.source,
        status=row.status,
        note=row.note,
    )


def _normal(text: str) -> str:
    """Lower-case words without the vendor's."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return " ".join(word for word in words if word not in VENDORS)


def _nearest(name: str) -> str:
    """Every chip whose name holds `name`, else the one that is spelled most like it."""
    wanted = _normal(name).replace(" ", "")
    spelled = {_normal(known).replace(" ", ""): known for known in chips()}
    if holding := [known for letters, known in spelled.items() if wanted in letters]:
        return " or ".join(holding)
    return spelled[difflib.get_close_matches(wanted, spelled, n=1, cutoff=0.0)[0]]
