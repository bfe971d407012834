"""Arrays as bytes: integers in as many bits as they have, zeros left out where that is smaller.

The codes of the numbers of an array, in row-major order:

- `plain`: as the dtype has them.
- `integer`: two's complement in `bits` bits, the lowest first, one number right after the other.
- `ternary`: five of -1, 0 and +1 in a byte, plus 1 each, as digits to the base 3, the lowest first.
- `binary`: one bit each, set for +1 and clear for -1.

Of a sparse array only the numbers that are not zero are coded, and a second array has one bit for
every number, set where it is not zero. Bits fill bytes from the lowest; the rest of the last byte
is zero. What is decoded is exactly what was encoded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from efficient.deploy.error import ArtefactError

#: What the second array of a sparse one is called: the name of the first and this.
KEPT = "/kept"
#: What a second array costs in the header of the file and is not worth less than.
ENTRY_BYTES = 128
CODES = ("plain", "integer", "ternary", "binary")
DTYPES = ("float32", "bfloat16", "int8")
TRITS = 5


@dataclass(frozen=True)
class Form:
    """What an array is, and how the file holds it.

    dtype, shape: of the array itself; code: of its numbers; bits: of each, for the code `integer`;
    kept: how many numbers are coded because they are not zero, None where all are.
    """

    dtype: str
    shape: tuple[int, ...]
    code: str = "plain"
    bits: int = 0
    kept: int | None = None

    def __post_init__(self) -> None:
        known = self.code in CODES and self.dtype in DTYPES
        coded = self.code == "plain" or self.dtype == "int8"
        wide = 2 <= self.bits <= 7 if self.code == "integer" else self.bits == 0
        inside = min(self.shape, default=0) >= 0 and 0 <= self.count <= self.size
        if not (known and coded and wide and inside):
            raise ArtefactError(f"no array can have the form {self}; export the run again")

    @property
    def size(self) -> int:
        """How many numbers the array has."""
        return math.prod(self.shape)

    @property
    def count(self) -> int:
        """How many numbers are coded."""
        return self.size if self.kept is None else self.kept

    def parts(self, name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
        """What the file holds of the array: dtype and shape by name."""
        dense = self.shape if self.kept is None else (self.count,)
        coded = {
            "plain": (self.dtype, dense),
            "integer": ("uint8", (_bytes(self.count * self.bits),)),
            "ternary": ("uint8", (-(-self.count // TRITS),)),
            "binary": ("uint8", (_bytes(self.count),)),
        }
        kept = {} if self.kept is None else {name + KEPT: ("uint8", (_bytes(self.size),))}
        return {name: coded[self.code]} | kept


def encode(name: str, array: np.ndarray, bits: int = 8) -> tuple[Form, dict[str, np.ndarray]]:
    """The smallest form of an array, and what the file holds of it by name.

    bits: of the integers of an int8 array; whether they are ternary or binary is seen from them.

    Raises:
        ArtefactError: an integer does not fit into its bits.
    """
    numbers, kept = array.ravel(), _nonzero(array)
    dense = Form(array.dtype.name, array.shape, *_code(name, numbers, bits))
    few = _code(name, numbers[kept], bits)
    sparse = Form(array.dtype.name, array.shape, *few, kept=int(kept.sum()))
    if _size(sparse) + ENTRY_BYTES < _size(dense):
        bitmap = np.packbits(kept, bitorder="little")
        return sparse, {name: _put(numbers[kept], sparse), name + KEPT: bitmap}
    coded = _put(numbers, dense)
    return dense, {name: coded.reshape(array.shape) if dense.code == "plain" else coded}


def decode(name: str, form: Form, stored: Any, xp: Any = np) -> Any:
    """The array of a form, from what the file holds by name.

    xp: numpy, or jax.numpy for a decoder that is traced.
    """
    numbers = _get(stored[name], form, xp)
    if form.kept is not None:
        present = xp.unpackbits(stored[name + KEPT], count=form.size, bitorder="little")
        place = xp.cumsum(present, dtype=np.int32) - 1
        empty = xp.zeros(form.size, numbers.dtype)
        numbers = xp.where(present == 1, numbers[place], empty) if form.kept else empty
    return numbers.reshape(form.shape)


def check(forms: Mapping[str, Form], stored: Mapping[str, np.ndarray]) -> None:
    """Refuse stored arrays that are not those of the forms, the first by name.

    Raises:
        ArtefactError: one is missing, unknown, or of another type, shape or number of marks.
    """
    parts = {n: p for name, form in forms.items() for n, p in form.parts(name).items()}
    for name in sorted(set(parts) | set(stored)):
        if name not in parts or name not in stored:
            raise ArtefactError(f"array {name!r} is {'missing' if name in parts else 'unknown'}")
        found, wanted = (stored[name].dtype.name, stored[name].shape), parts[name]
        if found != wanted:
            texts = ("{}{}".format(*part) for part in (found, wanted))
            raise ArtefactError("array {!r} is {}, its card says {}".format(name, *texts))
    for name, form in forms.items():
        if form.kept is not None:
            marks = np.unpackbits(stored[name + KEPT], count=form.size, bitorder="little")
            found = int(marks.sum(dtype=np.int64))
            if found != form.kept:
                text = f"marks {found} numbers, its card says {form.kept}"
                raise ArtefactError(f"array {name + KEPT!r} {text}")


def _put(numbers: np.ndarray, form: Form) -> np.ndarray:
    """Numbers, (count,), as bytes."""
    if form.code == "integer":
        bits = numbers[:, None] >> np.arange(form.bits, dtype=np.int8)[None] & 1
        return np.packbits(bits.astype(np.uint8).ravel(), bitorder="little")
    if form.code == "ternary":
        digits = np.zeros((-(-form.count // TRITS), TRITS), np.uint8)
        digits.ravel()[: form.count] = numbers + 1
        return (digits * _powers()[None]).sum(1, dtype=np.uint8)
    if form.code == "binary":
        return np.packbits(numbers > 0, bitorder="little")
    return numbers


def _get(stored: Any, form: Form, xp: Any) -> Any:
    """Numbers, (count,), from bytes."""
    if form.code == "integer":
        bits = xp.unpackbits(stored, count=form.count * form.bits, bitorder="little")
        place = 2 ** np.arange(form.bits)
        place[-1] *= -1
        rows = bits.reshape(form.count, form.bits).astype(np.int8)
        return (rows * place.astype(np.int8)[None]).sum(1, dtype=np.int8)
    if form.code == "ternary":
        digits = stored[:, None] // _powers()[None] % np.uint8(3)
        return digits.ravel()[: form.count].astype(np.int8) - np.int8(1)
    if form.code == "binary":
        bits = xp.unpackbits(stored, count=form.count, bitorder="little")
        return bits.astype(np.int8) * np.int8(2) - np.int8(1)
    return stored.ravel()


def _powers() -> np.ndarray:
    return 3 ** np.arange(TRITS, dtype=np.uint8)


def _nonzero(array: np.ndarray) -> np.ndarray:
    """(size,) whether a number has any bit set; a negative zero has one."""
    bits = np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")
    return bits != 0


def _code(name: str, numbers: np.ndarray, bits: int) -> tuple[str, int]:
    """The narrowest code that holds the numbers, and the bits of an integer code."""
    if numbers.dtype != np.int8 or not numbers.size:
        return "plain", 0
    low, high = int(numbers.min()), int(numbers.max())
    if low >= -1 and high <= 1:
        return ("binary" if numbers.all() else "ternary"), 0
    if low < -(2 ** (bits - 1)) or high >= 2 ** (bits - 1):
        text = f"integers from {low} to {high}, which {bits} bits do not hold"
        raise ArtefactError(f"array {name!r} has {text}; quantize it to more")
    return ("plain", 0) if bits == 8 else ("integer", bits)


def _size(form: Form) -> int:
    """Bytes of what the file holds of an array."""
    widths = {"float32": 4, "bfloat16": 2}
    return sum(math.prod(s) * widths.get(dtype, 1) for dtype, s in form.parts("").values())


def _bytes(bits: int) -> int:
    return -(-bits // 8)
