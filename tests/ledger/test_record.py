"""A record survives its JSON, and a damaged one is refused with the name of the field."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from typing import Any

import pytest
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.ledger.bill import Cost
from efficient.ledger.codec import RecordError, from_dict, to_dict
from efficient.ledger.record import Record

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def strategy(kind: Any) -> st.SearchStrategy:
    """Values of a field's type, containers kept short."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return PLAIN
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{name: strategy(hint) for name, hint in hints.items()})
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), strategy(args[1]), max_size=2)
    if origin is tuple:
        return st.lists(strategy(args[0]), max_size=2).map(tuple)
    if args:
        return st.one_of(*(strategy(arg) for arg in args))
    return {
        float: st.floats(),
        int: st.integers(),
        str: st.text(max_size=8),
        bool: st.booleans(),
        type(None): st.none(),
    }[kind]


@given(strategy(Record))
def test_record_survives_its_json(made):
    plain = to_dict(made)
    text = json.dumps(plain, allow_nan=False)
    again = from_dict(Record, json.loads(text))
    assert type(again.cost) is Cost
    assert isinstance(again.points, tuple)
    assert to_dict(again) == plain


def test_fabricated_record_is_equal_after_its_json():
    made = record()
    assert from_dict(Record, json.loads(json.dumps(to_dict(made)))) == made


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_null_and_reads_as_nan(number):
    made = dataclasses.replace(record(), evidence={"reference_divergence": number})
    plain = to_dict(made)
    assert plain["evidence"] == {"reference_divergence": None}
    assert math.isnan(from_dict(Record, plain).evidence["reference_divergence"])


DAMAGE = [
    (("cost", "train_s"), "fast", "record.cost.train_s: expected a number, found 'fast'"),
    (("cost", "train_s"), True, "expected a number, found True"),
    (("cost", "train_s"), 10**400, "too large a number"),
    (("cost", "params_total"), 1.5, "record.cost.params_total: expected int, found 1.5"),
    (("seed",), False, "record.seed: expected int, found False"),
    (("seed",), None, "record.seed: expected int, found None"),
    (("variants",), "prune", "record.variants: expected a list"),
    (("variants",), [3], r"record.variants\[0\]: expected str"),
    (("scores",), [], "record.scores: expected an object, found list"),
    (("data",), None, "record.data: expected an object, found NoneType"),
    (("data", "splits", "test", "examples"), "9", "record.data.splits.test.examples"),
    (("evidence", "weights_kept"), [1], "record.evidence.weights_kept"),
    (("colour",), "red", "record: unknown field 'colour'"),
]


@pytest.mark.parametrize(("path", "value", "message"), DAMAGE)
def test_damage_is_named(path, value, message):
    plain = to_dict(record())
    *folders, last = path
    inner = plain
    for name in folders:
        inner = inner[name]
    inner[last] = value
    with pytest.raises(RecordError, match=message) as raised:
        from_dict(Record, plain)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(Record) if f.name not in ("notes", "spec")]
)
def test_missing_field_is_named(name):
    plain = to_dict(record())
    del plain[name]
    with pytest.raises(RecordError, match=f"record: field '{name}' is missing"):
        from_dict(Record, plain)
