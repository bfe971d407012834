"""Whatever stands in a file, the reader answers with a record or with one line."""

import json
import random

import pytest
from fabrication import record
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient.ledger.codec import RecordError, to_dict
from efficient.ledger.store import read_record, records, write_record

TEXT = json.dumps(to_dict(record()), indent=1)
#: Pieces that readers are known to trip over.
PIECES = (
    *'"{}[]\\',
    *("NaN", "-Infinity", "1e308", "1e400", "-0", "null", "true", "\\ud800", "\x00", "\u202e", "é"),
    *('{"a":' * 2000, "[" * 5000, "9" * 5000, '"' + "x" * 20000 + '"', "../../etc/passwd"),
    *('"schema": 3,', '"schema": 2, "schema": 2,', "<script>alert(1)</script>", "\ufeff"),
)


def mutated(seed, cuts):
    """The record's text with pieces put over stretches of it."""
    chance, text = random.Random(seed), TEXT
    for _ in range(cuts):
        begin = chance.randrange(len(text))
        end = min(len(text), begin + chance.choice((0, 1, 5, 50, 5000)))
        text = text[:begin] + chance.choice(PIECES) + text[end:]
    return text


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "record.json"


def answer(path, content):
    path.write_bytes(content)
    try:
        return read_record(path)
    except RecordError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        assert len(str(error)) < 1000
        return None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_a_mutated_record_is_read_or_refused_in_one_line(path, seed, cuts):
    """200 records of 6,000 characters and more: above a million."""
    assert len(TEXT) * 200 > 10**6
    answer(path, mutated(seed, cuts).encode("utf-8", "surrogatepass"))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_are_no_record(path, content):
    assert answer(path, content) is None


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s)))
@settings(max_examples=50, deadline=None)
def test_any_json_in_any_field_is_refused(path, value):
    whole = to_dict(record())
    name = random.Random(repr(value)).choice(sorted(whole))
    answer(path, json.dumps(whole | {name: value}).encode())


def test_the_reader_reads_what_was_written(tmp_path):
    write_record(tmp_path, record())
    assert records(tmp_path) == ([record()], [])
