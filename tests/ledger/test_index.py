"""The index holds what the records hold, may be deleted, and reads only what has changed."""

import dataclasses
import json
import shutil

import duckdb
import pytest
from fabrication import record
from fabrication import records as fabricated

from efficient.ledger import database, place
from efficient.ledger.codec import to_dict
from efficient.ledger.index import index
from efficient.ledger.publication import publish
from efficient.ledger.record import LAPS
from efficient.ledger.store import StoreError, records, write_record


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    lines = [json.dumps(to_dict(one)) for one in fabricated()]
    (folder / "records.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def runs(tmp_path, kept):
    """A copy of its own."""
    shutil.copytree(kept, tmp_path / "runs")
    return tmp_path / "runs"


def ask(made, sql):
    rows = made.connection.execute(sql).fetchall()
    made.connection.close()
    return rows


def read(monkeypatch):
    """Counts the documents that are parsed."""
    parsed = []
    real = database._read
    monkeypatch.setattr(database, "_read", lambda n, d: parsed.append(d.where) or real(n, d))
    return parsed


def test_runs_have_every_cost_score_and_lap(kept):
    made = index([kept], None)
    names = "run_id, flops_executed, test_accuracy, artefact_loss, lap_train_s, energy_j, variants"
    rows = ask(made, f"select {names} from runs order by started_utc, run_id")
    assert rows == [
        (
            one.run_id,
            one.cost.flops_executed,
            one.scores["test"].accuracy if one.scores else None,
            one.scores["artefact"].loss if one.scores else None,
            one.cost.laps["train"],
            one.cost.energy_j,
            list(one.variants),
        )
        for one in records(kept)[0]
    ]
    assert None in {row[5] for row in rows} and {row[5] for row in rows} != {None}


def test_every_number_of_the_cost_is_a_column(kept):
    made = index([kept], None)
    columns = {row[0] for row in made.connection.execute("describe runs").fetchall()}
    cost = to_dict(record().cost)
    flat = {name for name, value in cost.items() if not isinstance(value, (dict, list))}
    parts = {"grid", "price", "peak"}  # flattened: grid_region and so on
    assert flat - parts <= columns
    assert {f"lap_{lap}_s" for lap in LAPS} <= columns
    assert {"data_fingerprint", "machine_cores", "source_commit", "grid_region"} <= columns
    made.connection.close()


def test_what_repeats_has_tables_of_its_own(kept):
    made = index([kept], None)
    found = records(kept)[0]
    for name, rows in (
        ("points", [p for r in found for p in r.points]),
        ("parents", [p for r in found for p in r.parents]),
        ("processes", [p for r in found for p in r.cost.processes]),
        ("energy", [p for r in found for p in r.cost.energy]),
        ("unknown", [u for r in found for u in r.cost.unknown]),
        ("evidence", [e for r in found for e in r.evidence]),
    ):
        assert rows
        assert made.connection.execute(f"select count(*) from {name}").fetchall() == [(len(rows),)]
    sql = (
        "select p.step, p.validation_accuracy from points p join runs using (run_id) where seed = 1"
    )
    assert set(ask(made, sql)) == {(600, 0.95)}


def test_unknown_is_null_with_its_reason(kept):
    rows = ask(
        index([kept], None),
        "select energy_j, reason from runs join unknown using (run_id)"
        " where workload = 'digits' and name = 'energy_j'",
    )
    assert {value for value, _ in rows} == {None} and all(reason for _, reason in rows)


def test_unchanged_folder_is_not_parsed_again(runs, tmp_path, monkeypatch):
    first = ask(index([runs], tmp_path / "cache"), "from runs order by run_id")
    parsed = read(monkeypatch)
    assert ask(index([runs], tmp_path / "cache"), "from runs order by run_id") == first
    assert parsed == []


def test_only_what_changed_is_parsed(runs, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    (before,) = ask(index([runs], cache), "select count(*) from runs")[0]
    parsed = read(monkeypatch)
    new = record(seed=7)
    path = write_record(runs / new.run_id, new)
    assert ask(index([runs], cache), "select count(*) from runs") == [(before + 1,)]
    assert parsed == [str(path)]
    write_record(runs / new.run_id, dataclasses.replace(new, steps=5, points=()))
    points = "(select count(*) from points p where p.run_id = r.run_id)"
    sql = f"select steps, {points} from runs r where run_id = '{new.run_id}'"
    assert ask(index([runs], cache), sql) == [(5, 0)]
    path.unlink()
    assert ask(index([runs], cache), "select count(*) from runs") == [(before,)]
    assert len(parsed) == 2


def test_file_that_could_not_be_read_is_asked_for_again(runs, tmp_path, monkeypatch):
    """Its size and its time of change are the same when the network is back."""
    count = "select (select count(*) from runs), (select count(*) from complaints)"
    with monkeypatch.context() as broken:
        broken.setattr(place, "_local", lambda path: StoreError(f"{path}: cannot be read (away)"))
        assert ask(index([runs], tmp_path / "cache"), count) == [(0, 1)]
    assert ask(index([runs], tmp_path / "cache"), count) == [(len(records(runs)[0]), 0)]
    parsed = read(monkeypatch)
    index([runs], tmp_path / "cache").connection.close()
    assert parsed == []


def test_published_record_that_was_changed_is_complained_of_once_and_for_all(
    runs, tmp_path, monkeypatch
):
    list(publish(runs, str(tmp_path / "ledger")))
    path = next((tmp_path / "ledger").iterdir())
    path.write_bytes(path.read_bytes() + b" ")
    (first,) = index([tmp_path / "ledger"], tmp_path / "cache").complaints
    assert "changed since it was published" in first
    parsed = read(monkeypatch)
    assert index([tmp_path / "ledger"], tmp_path / "cache").complaints == [first]
    assert parsed == []


@pytest.mark.parametrize("damage", ["deleted", "torn", "of another version"])
def test_index_is_rebuilt_whatever_became_of_it(runs, tmp_path, monkeypatch, damage):
    cache = tmp_path / "cache"
    first = ask(index([runs], cache), "from runs order by run_id")
    (file,) = cache.iterdir()
    if damage == "deleted":
        file.unlink()
    elif damage == "torn":
        file.write_bytes(file.read_bytes()[:5000])
    else:
        monkeypatch.setattr(database, "_LAYOUT", "another")
    parsed = read(monkeypatch)
    assert ask(index([runs], cache), "from runs order by run_id") == first
    assert len(parsed) == len(first)
    assert [path.name for path in cache.iterdir()] == [file.name], "nothing temporary is left"


def test_cache_that_cannot_be_written_is_done_without(runs, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert ask(index([runs], tmp_path / "cache" / "index"), "select count(*) from runs") == [(27,)]


def test_copy_of_a_run_counts_once_as_it_does_for_the_reader(runs):
    one = records(runs)[0][0]
    write_record(runs / one.run_id, one)
    made = index([runs], None)
    assert sorted(made.complaints) == sorted(records(runs)[1]) and len(made.complaints) == 1
    assert ask(made, "select count(*), count(distinct run_id) from runs") == [(27, 27)]


def test_places_may_overlap_and_be_of_any_kind(runs, tmp_path):
    list(publish(runs, "memory://bucket/index-ledger"))
    made = index([runs, runs.parent / "runs", "memory://bucket/index-ledger"], tmp_path / "cache")
    assert len(made.complaints) == 26, "each published copy"
    assert ask(made, "select count(*) from runs") == [(27,)]


# -- what others may have written ------------------------------------------------------------------


def damaged(**changes):
    return dataclasses.replace(record(), run_id="hostile", **changes)


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("surrogates", {"arm": "\ud800", "notes": ("\ud800",), "config": {"\ud800": 1}}, ""),
        ("nul", {"arm": "a\0b", "config": {"a\0": "\0"}, "evidence": {"\0": "\0"}}, ""),
        ("sql", {"arm": "'; drop table kept.runs; --"}, ""),
        ("nan", {"evidence": {"loss": float("nan")}}, ""),
        ("large", {"steps": 2**63}, "steps 9223372036854775808... is too large a number"),
        ("larger", {"evidence": {"n": 10**400}}, ""),
        ("deep", {"config": {"a": json.loads("[" * 60 + "]" * 60)}}, "50 levels deep"),
        ("as deep as may be", {"config": {"a": json.loads("[" * 49 + "]" * 49)}}, ""),
        ("digits", {"config": {"n": 10**4000}}, ""),
    ],
)
def test_hostile_record_stands_in_the_index_or_is_a_complaint(tmp_path, name, changes, complaint):
    write_record(tmp_path / "good", record())
    write_record(tmp_path / "hostile", damaged(**changes))
    made = index([tmp_path], None)
    assert len(made.complaints) == bool(complaint)
    assert all(complaint in text and "\n" not in text for text in made.complaints)
    for table in ("points", "evidence", "complaints"):
        made.connection.execute(f"from {table}").fetchall()
    assert len(ask(made, "from runs")) == 2 - bool(complaint)


def test_value_that_duckdb_refuses_costs_only_its_record(tmp_path, monkeypatch):
    for seed in range(3):
        write_record(tmp_path / str(seed), record(seed=seed))
    real = database._insert

    def refuse(connection, name, rows):
        if name == "runs" and any(row[10] == 1 for row in rows):
            raise duckdb.Error("no such value\nsecond line")
        real(connection, name, rows)

    monkeypatch.setattr(database, "_insert", refuse)
    names = [column.name for column in database.TABLES[0].columns]
    assert names[9] == "seed", "behind the number of the document"
    made = index([tmp_path], None)
    assert made.complaints == [f"{tmp_path}/1/record.json: no such value"]
    assert ask(made, "select seed from runs order by seed") == [(0,), (2,)]
