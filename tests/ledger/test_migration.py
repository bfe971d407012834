"""A record of an earlier schema is read as one of this, and what it never knew stays unknown."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest
from fabrication import record

from efficient.ledger.bill import Cost
from efficient.ledger.codec import RecordError, to_dict
from efficient.ledger.migration import STEPS, migrate
from efficient.ledger.record import SCHEMA
from efficient.ledger.store import read_record, write_record
from efficient.report.bill import sections

#: Written by the last commit of schema 1: digits_mlp for 40 steps, half of its weights pruned.
OLD = Path(__file__).with_name("schema_1.json")
REASON = "not kept by records of schema 1"


@pytest.fixture(scope="module")
def plain():
    return json.loads(OLD.read_text())


def test_record_of_schema_1_keeps_every_value(plain):
    assert plain["schema"] == 1
    read = to_dict(read_record(OLD))
    for name in plain.keys() - {"schema", "cost", "points", "machine", "scores"}:
        assert read[name] == plain[name]
    for split, score in plain["scores"].items():
        assert read["scores"][split] == score | {"reason": ""}
    assert read["schema"] == SCHEMA
    for name in plain["cost"].keys() - {"unknown", "processes"}:
        assert read["cost"][name] == plain["cost"][name]
    assert [point["train_loss"] for point in read["points"]] == [
        point["train_loss"] for point in plain["points"]
    ]


def test_what_schema_1_did_not_keep_is_unknown_and_never_0(plain):
    cost = read_record(OLD).cost
    new = [f.name for f in dataclasses.fields(Cost) if f.name not in plain["cost"]]
    known = {"memory_source", "energy_grade", "pue_source", "budget"}
    for name in set(new) - known:
        assert cost.unknown[name] == REASON
        assert not getattr(cost, name) and getattr(cost, name) != 0
    assert all(point.steps is point.chunk_s is None for point in read_record(OLD).points)


def test_old_record_is_shown(plain):
    assert [section.title for section in sections(read_record(OLD))]


def test_steps_are_pure_and_lead_to_this_schema(plain):
    before = copy.deepcopy(plain)
    assert migrate(plain, SCHEMA)["schema"] == SCHEMA
    assert plain == before
    assert sorted(STEPS) == list(range(1, SCHEMA))


def test_record_of_this_schema_is_left_as_it_is():
    made = to_dict(record())
    assert migrate(made, SCHEMA) is made


@pytest.mark.parametrize("cost", [None, [], 3, {"unknown": 3}, {}])
def test_damaged_old_record_is_refused_in_one_line(tmp_path, plain, cost):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(plain | {"cost": cost}))
    with pytest.raises(RecordError, match=r"record\.json: record\.cost") as raised:
        read_record(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("schema", [0, -1])
def test_schema_that_never_was_is_refused(tmp_path, schema):
    path = write_record(tmp_path, dataclasses.replace(record(), schema=schema))
    with pytest.raises(RecordError, match=f"never was a schema {schema}"):
        read_record(path)
