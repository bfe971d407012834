"""SQL reads the tables of the index and can do nothing else."""

import json

import duckdb
import pytest
from fabrication import records as fabricated

from efficient.ledger.codec import to_dict
from efficient.ledger.index import index
from efficient.ledger.query import QueryError, select, write_parquet
from efficient.ledger.store import StoreError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    lines = [json.dumps(to_dict(one)) for one in fabricated()]
    (folder / "records.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def cache(runs, tmp_path_factory):
    """With the index of `runs`, made once."""
    folder = tmp_path_factory.mktemp("cache")
    index([runs], folder).connection.close()
    return folder


@pytest.fixture(params=["kept", "in memory"])
def connection(request, runs, cache):
    made = index([runs], cache if request.param == "kept" else None)
    yield made.connection
    made.connection.close()


def test_answer_has_names_kinds_and_rows(connection):
    sql = "select arm, count(*) n, sum(flops_executed) from runs where seed = 0 group by arm"
    answer = select(connection, f"{sql} order by arm; -- all of them")
    assert answer.names == ("arm", "n", "sum(flops_executed)")
    assert answer.kinds[:2] == ("VARCHAR", "BIGINT")
    assert next(answer.rows)[:2] == ("baseline", 2)


def test_equal_names_are_told_apart(connection):
    assert select(connection, "select 1 a, 2 a, 3 a_1").names == ("a", "a_1", "a_1_1")


MISTAKES = [
    ("select accuracy from runs", 'column "accuracy" not found'),
    ("select * from run", 'Did you mean "runs"?'),
    ("selec", 'syntax error at or near "selec"'),
    ("", "0 statements: give one SELECT"),
    ("select 1; select 2", "2 statements"),
    ("select error('no')", "no"),
    ("select cast(arm as int) from runs", "Could not convert string"),
]


@pytest.mark.parametrize(("sql", "message"), MISTAKES)
def test_mistake_is_one_line_with_the_hint(connection, sql, message):
    with pytest.raises(QueryError) as raised:
        list(select(connection, sql).rows)
    assert message in str(raised.value) and "\n" not in str(raised.value)


FORBIDDEN = [
    "drop view runs",
    "delete from kept.runs",
    "insert into kept.files values ('', 0, '')",
    "create table mine as select 1",
    "copy runs to '{folder}/copy.csv'",
    "copy (select 1) to '{folder}/copy.csv'",
    "export database '{folder}/copy'",
    "attach '{folder}/other.db'",
    "set lock_configuration = false",
    "set enable_external_access = true",
    "reset enable_external_access",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "call pragma_version()",
    "select * from '{folder}/records.jsonl'",
    "select * from read_text('{folder}/records.jsonl')",
    "select * from read_csv('/etc/passwd')",
    "select * from glob('/*')",
    "select * from 'https://example.com/x.parquet'",
    "select * from read_parquet('s3://bucket/x.parquet')",
    "select * from query('copy runs to ''{folder}/copy.csv''')",
    "select getenv('HOME')",
    "select * from secret",
    "explain analyze delete from kept.runs",
    "with gone as (delete from kept.runs returning *) select * from gone",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_nothing_is_written_and_nothing_else_is_read(connection, runs, sql):
    secret = [("a variable of this program",)]  # which DuckDB would find by its name
    before = sorted(runs.iterdir())
    with pytest.raises(QueryError) as raised:
        list(select(connection, sql.format(folder=runs)).rows)
    assert "\n" not in str(raised.value) and secret
    assert sorted(runs.iterdir()) == before


def test_the_locks_are_what_forbids_it(connection, runs):
    sql = f"select size from read_text('{runs}/records.jsonl')"
    assert connection.execute(sql).fetchall()
    with pytest.raises(QueryError, match="disabled by configuration"):
        list(select(connection, sql).rows)


def test_times_with_a_zone_are_returned(connection):
    sql = "select started_utc::timestamptz from runs limit 1"
    assert next(select(connection, sql).rows)[0].year == 2025


def test_parquet_holds_the_answer(connection, tmp_path):
    path = tmp_path / "new folder" / "it's.parquet"
    write_parquet(connection, "select run_id, variants, energy_j from runs; -- all", path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    quoted = str(path).replace("'", "''")
    rows = duckdb.sql(f"from read_parquet('{quoted}')").fetchall()
    assert len(rows) == 27 and isinstance(rows[0][1], list)


@pytest.mark.parametrize("sql", ["select foo from runs", "explain select 1"])
def test_parquet_of_a_mistake_leaves_nothing(connection, tmp_path, sql):
    with pytest.raises(QueryError):
        write_parquet(connection, sql, tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_parquet_that_cannot_be_written_is_refused(connection, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_parquet(connection, "select 1", tmp_path / "file" / "x.parquet")
