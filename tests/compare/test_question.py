"""Which configurations ask the same, and what a stranger may write into one."""

from __future__ import annotations

import dataclasses

from fabrication import record

from efficient.compare.question import config_changes, question
from efficient.ledger.record import Parent


def asked(config, *parents):
    return question(dataclasses.replace(record(), config=config, parents=parents))


def test_configurations_differ_by_dotted_field():
    one = {"a": {"b": 1, "c": [1, 2]}, "d": None, "e": []}
    other = {"a": {"b": 1, "c": [1, 3]}, "e": [], "f": {"g": 0}}
    assert config_changes(one, other) == {"a.c[1]": (2, 3), "d": (None, None), "f.g": (None, 0)}
    assert config_changes(one, one) == {}


def test_a_parent_is_named_by_its_role():
    one, other = Parent("teacher", "digits-wide-s0", ""), Parent("start", "digits-wide-s0-2", "")
    config = {"seed": 1, "variants": [{"teacher": "runs/digits-wide-s0"}], "start": one.run_id}
    found = {"variants": [{"teacher": "runs/<teacher>"}], "start": "<teacher>"}
    assert asked(config, one) == asked(config, one, other) == found
    both = {"start": f"{other.run_id}, {one.run_id}.artefact"}
    assert asked(both, one, other) == {"start": "<start>, <teacher>.artefact"}
    assert asked({"optimizer": "adam"}, Parent("teacher", "a", "")) == {"optimizer": "adam"}


def test_no_parent_makes_a_configuration_grow_without_bound():
    """Put in one after the other, three such parents made 64 GB of two letters."""
    hostile = [Parent("a " * 4000, "a", ""), Parent("a", "b", ""), Parent("a", "", "")]
    text = asked({"name": "a b a"}, *hostile)["name"]
    assert text == f"<{'a ' * 10}> <a> <{'a ' * 10}>"
