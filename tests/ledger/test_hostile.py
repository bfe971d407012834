"""Whatever stands in a file, the reader answers with a record or with one line."""

import json
import random
from pathlib import Path

import pytest
from fabrication import record
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient.ledger import database
from efficient.ledger.codec import RecordError, parse, to_dict
from efficient.ledger.reader import Document
from efficient.ledger.store import read_record, records, write_record

TEXT = json.dumps(to_dict(record()), indent=1)
#: One that is migrated when it is read.
OLD = Path(__file__).with_name("schema_1.json").read_text()
#: Pieces that readers are known to trip over.
PIECES = (
    *'"{}[]\\',
    *("NaN", "-Infinity", "1e308", "1e400", "-0", "null", "true", "\\ud800", "\x00", "\u202e", "é"),
    *('{"a":' * 2000, "[" * 5000, "9" * 5000, '"' + "x" * 20000 + '"', "../../etc/passwd"),
    *('"schema": 3,', '"schema": 2, "schema": 2,', "<script>alert(1)</script>", "\ufeff"),
)


def mutated(text, seed, cuts):
    """A record's text with pieces put over stretches of it."""
    chance = random.Random(seed)
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
@given(st.sampled_from([TEXT, OLD]), st.integers(0, 2**32), st.integers(1, 4))
def test_a_mutated_record_is_read_or_refused_in_one_line(path, text, seed, cuts):
    """200 records of 6,000 characters and more: above a million."""
    assert min(len(TEXT), len(OLD)) * 200 > 10**6
    answer(path, mutated(text, seed, cuts).encode("utf-8", "surrogatepass"))


def test_mutated_records_stand_in_the_index_or_are_complaints():
    """Half of them are whole records with hostile values: those reach the tables."""
    chance, table = random.Random(0), database.make(":memory:")
    texts = [mutated(text, seed, 1) for text in (TEXT, OLD) for seed in range(50)]
    texts += [hostile(chance) for _ in range(100)]
    assert sum(map(len, texts)) > 10**6
    made = [Document(f"{i}", 0, t.encode("utf-8", "replace")) for i, t in enumerate(texts)]
    database._write(table, list(enumerate(made)))
    rows = table.execute("select run_id, reason from kept.documents").fetchall()
    assert len(rows) == len(texts) and all((a is None) != (b is None) for a, b in rows)
    assert sum(reason is None for _, reason in rows) > 50
    assert all("\n" not in reason and len(reason) < 1000 for _, reason in rows if reason)
    for name in database._KEPT:
        table.execute(f"select * from kept.{name}").fetchall()
    table.close()


def hostile(chance):
    """A record in which some values are others of the same type."""
    words = [*PIECES, "", "x" * 100_000, "'); drop table kept.runs; --", "\ud83d\ude00"]
    numbers = [0, -1, 2**63, 2**127, 10**300, -(10**40), 1e308, 5e-324]

    def changed(value):
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        if isinstance(value, bool) or value is None or chance.random() > 0.02:
            return value
        if isinstance(value, str):
            return chance.choice(words)
        same = [n for n in numbers if isinstance(n, type(value))]
        return chance.choice(same)

    plain = json.loads(chance.choice([TEXT, OLD]))
    return json.dumps(changed(plain | {"schema": None}) | {"schema": plain["schema"]})


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


def test_key_that_stands_twice_is_found_in_one_pass():
    """Counted name by name, these would take minutes."""
    names = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(RecordError, match="key '7' stands twice"):
        parse("text", f'{{{names},"7":0}}'.encode())


def test_the_reader_reads_what_was_written(tmp_path):
    write_record(tmp_path, record())
    assert records(tmp_path) == ([record()], [])
