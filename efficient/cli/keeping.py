"""Options of the commands on records that are kept: asking them, and putting them into a ledger."""

from __future__ import annotations

from typing import Any

from efficient.cli.option import PLACE, add_json, command


def _query(groups: Any) -> None:
    example = (
        "example:\n"
        '  efficient query "select arm, avg(test_loss) from runs group by arm" runs/quickstart\n'
        "  efficient query --schema"
    )
    text = "ask records in SQL: tables runs, points, parents, unknown, evidence, ..."
    made = command(groups, "query", "query:query", text, example)
    made.add_argument("sql", metavar="SQL", nargs="?", help="one SELECT, as DuckDB has it")
    made.add_argument("places", metavar="DIR", nargs="*", help=f"{PLACE} (runs)")
    help = "the tables and their columns, with units and meanings, instead"
    made.add_argument("--schema", action="store_true", help=help)
    form = made.add_mutually_exclusive_group()
    add_json(form)
    form.add_argument("--csv", action="store_true", help="comma-separated values on stdout")
    form.add_argument("--parquet", metavar="FILE", help="write a Parquet file")


def _publish(groups: Any) -> None:
    example = "example:\n  efficient publish runs/quickstart gs://BUCKET/LEDGER"
    text = "copy the records of runs that are over into a ledger; nothing in it is overwritten"
    made = command(groups, "publish", "publish:publish", text, example)
    made.add_argument("source", metavar="DIR", help=PLACE)
    made.add_argument("ledger", metavar="LEDGER", help="folder or prefix, new or not")
    add_json(made)


COMMANDS = (_query, _publish)
