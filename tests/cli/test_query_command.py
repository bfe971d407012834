"""`efficient query` and `efficient publish`: what people and programs get."""

import csv
import dataclasses
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fabrication import record
from fabrication import records as fabricated

from efficient.ledger.codec import to_dict
from efficient.ledger.store import records, write_record

ROOT = Path(__file__).parents[2]
AVERAGE = "select arm, avg(test_accuracy) accuracy from runs where workload = 'digits' group by arm"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    lines = [json.dumps(to_dict(one)) for one in fabricated()]
    (folder / "records.jsonl").write_text("\n".join([*lines, lines[0][:40]]))
    return folder


def test_answer_is_a_table_and_complaints_are_warnings(command, runs):
    done = command("query", f"{AVERAGE} order by arm", runs)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["arm", "accuracy"] and lines[2][0] == "baseline"
    assert done.err.count("\n") == 1 and "line 28: damaged" in done.err


def test_programs_read_json_csv_and_parquet(command, runs, tmp_path):
    sql = "select run_id, variants, energy_j, config from runs where arm = 'pruned' order by run_id"
    document = command("query", sql, runs, "--json").document
    assert len(document["rows"]) == 6 and len(document["complaints"]) == 1
    first = document["rows"][0]
    assert first["variants"] == ["prune"] and first["energy_j"] is None
    assert first["config"]["seed"] == 0
    table = list(csv.DictReader(io.StringIO(command("query", sql, runs, "--csv").out)))
    assert [row["run_id"] for row in table] == [row["run_id"] for row in document["rows"]]
    assert json.loads(table[0]["variants"]) == ["prune"] and table[0]["energy_j"] == ""
    done = command("query", sql, runs, "--parquet", tmp_path / "x.parquet")
    assert done.out == "" and (tmp_path / "x.parquet").stat().st_size > 0


def test_schema_names_every_column_and_its_unit(command):
    document = command("query", "--schema", "--json").document
    columns = {row["column"]: row for row in document["runs"]["columns"]}
    assert columns["flops_executed"]["unit"] == "flop" and columns["flops_executed"]["meaning"]
    assert columns["lap_train_s"]["unit"] == "s"
    assert document["points"]["columns"][0]["column"] == "run_id"
    assert "flops_executed" in command("query", "--schema").out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "nothing is asked; give a SELECT"),
        (("select accuracy from runs", "{runs}"), 1, "Candidate bindings"),
        (("drop view runs", "{runs}"), 1, "DROP is refused"),
        (("select 1", "nowhere"), 1, "nowhere: no such folder"),
        (("select 1", "memory://nowhere"), 1, "memory://nowhere: nothing there"),
        (("select 1", "{runs}", "--csv", "--json"), 2, "not allowed with argument"),
    ],
)
def test_mistake_is_one_line(command, runs, words, code, message):
    done = command("query", *(word.format(runs=runs) for word in words))
    assert (done.code, done.out) == (code, "")
    assert message in done.err and done.err.count("\n") == 1


def shown():
    """Every query that the documents show, and the first line of its answer there."""
    text = (ROOT / "docs" / "ledger.md").read_text()
    lines = text.splitlines()
    return [
        (shlex.split(line)[2:], lines[i + 1].split())
        for i, line in enumerate(lines)
        if line.startswith("$ efficient query")
    ]


@pytest.mark.parametrize(("words", "header"), shown(), ids=lambda w: w[-1])
def test_documented_queries_answer(command, monkeypatch, words, header):
    monkeypatch.chdir(ROOT)
    done = command(*words)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == header and len(lines) > 3


def test_starts_without_jax(runs):
    program = "import sys; from efficient.cli import main; main(sys.argv[1:]); "
    program += "sys.exit('jax' in sys.modules)"
    words = ["query", "select 1", str(runs), "--csv"]
    assert subprocess.run([sys.executable, "-c", program, *words], check=False).returncode == 0


def test_runs_is_asked_by_default(command, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(runs)
    assert command("query", "select count(*) n from runs", "--json").document["rows"] == [{"n": 27}]


def test_what_commands_a_terminal_is_shown_as_its_escape(command, tmp_path):
    hostile = dataclasses.replace(record(), arm="\x1b[2J[red]red\nnext\u202e")
    write_record(tmp_path, hostile)
    done = command("query", "select arm from runs", tmp_path)
    assert "\\x1b[2J[red]red\\nnext\\u202e" in done.out
    assert "[/b] x[i]\\x1b" in command("query", 'select 1 as "[/b] x[i]\x1b"', tmp_path).out
    hostile = dataclasses.replace(hostile, run_id="\x1b[2Jid")
    write_record(tmp_path, hostile)
    assert "\\x1b[2Jid" in command("list", "--out", tmp_path).out


def test_reader_that_has_seen_enough_is_no_error(runs):
    sql = "select * from points cross join range(2000)"
    command = [sys.executable, "-m", "efficient", "query", sql, str(runs), "--csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("run_id,step")
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(timeout=60) == 1


def test_published_records_are_asked_listed_and_reported(command, runs, tmp_path):
    ledger = "memory://bucket/command"
    done = command("publish", runs, ledger, "--json")
    assert done.code == 1, "the torn line and the interrupted run"
    assert (len(done.document["new"]), done.document["same"]) == (26, 0)
    assert len(done.document["refused"]) == 2
    again = command("publish", runs, ledger)
    assert again.out.startswith(f"{ledger}: 0 new, 26 there before, 2 left out")
    sql = "select count(*) n from runs"
    assert command("query", sql, ledger, "--json").document["rows"] == [{"n": 26}]
    assert len(command("list", "--out", ledger, "--json").document["runs"]) == 26
    assert command("statement", ledger, "--json").document["runs"] == {"finished": 26}
    shown = command("show", record().run_id, "--out", ledger)
    assert shown.code == 1 and f"{ledger} has records and no runs" in shown.err
    refused = command("report", ledger)
    assert refused.code == 2 and "--out" in refused.err
    assert len(records(ledger)[0]) == 26
