"""Tables of facts: typed rows, a line for what does not fit, and a source of every shipped row."""

import dataclasses
import re

import pytest

from efficient.cost.carbon import Region, regions
from efficient.cost.chip import chips
from efficient.cost.money import Offer, offers
from efficient.cost.published import TrainingRun, training_costs
from efficient.cost.table import TABLES, TableError, read, rows


@dataclasses.dataclass(frozen=True)
class Fruit:
    name: str
    kinds: tuple[str, ...]
    weight_g: float | None
    pips: int


HEAD = "name,kinds,weight_g,pips\n"


@pytest.fixture
def fruits(tmp_path):
    """Writes lines below the header and reads the file."""

    def made(text, head=HEAD):
        path = tmp_path / "fruits.csv"
        path.write_text(head + text)
        return read(path, Fruit)

    return made


def test_cells_are_typed(fruits):
    text = '# a comment, with "commas\n\n"apple, red",Gala | Elstar,182.5,5\nplum,,,1\n'
    assert fruits(text) == (
        Fruit("apple, red", ("Gala", "Elstar"), 182.5, 5),
        Fruit("plum", (), None, 1),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# here\napple,,1,five\n", "fruits.csv, line 3: pips: 'five' is not a number"),
        ("apple,,1,\n", "line 2: pips: '' is not a number"),
        ("apple,,1,2.5\n", "line 2: pips: '2.5' is not a number"),
        ("apple,,-1,2\n", "line 2: weight_g: '-1' is not a finite number of at least 0"),
        ("apple,,nan,2\n", "line 2: weight_g: 'nan'"),
        ("plum,,,1\napple,,1\n", "line 3: 3 cells for 4 columns"),
        ("apple,,1,2,3\n", "line 2: 5 cells for 4 columns"),
    ],
)
def test_what_does_not_fit_is_named_by_file_and_line(fruits, text, said):
    with pytest.raises(TableError, match=re.escape(said)) as error:
        fruits(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "head",
    ["name,kinds,weight_g\n", HEAD.strip() + ",taste\n", "name,name,kinds,weight_g,pips\n", ""],
)
def test_columns_are_the_fields(fruits, head):
    with pytest.raises(TableError, match="columns are not the fields of Fruit"):
        fruits("", head)


def test_a_missing_table_is_one_line(tmp_path):
    with pytest.raises(TableError, match=r"none\.csv: .*install the package anew"):
        read(tmp_path / "none.csv", Fruit)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (chips().values(), "name"),
        (regions(), ("code", "year")),
        (offers().values(), "chip"),
        (training_costs(), "id"),
    ],
    ids=["chips", "grid", "prices", "training_costs"],
)
def test_every_shipped_row_has_source_date_and_status(table, key):
    assert len(table) > 10
    for row in table:
        assert len(row.source) > 10
        assert re.match(r"verified|secondary|recalled|\w+ and \w+ verified", row.status), row
        dated = row.date if isinstance(row, Offer) else str(row.year)
        assert re.fullmatch(r"20[0-2]\d(-\d\d){0,2}", dated), row
    names = (key,) if isinstance(key, str) else key
    keys = [tuple(getattr(row, name) for name in names) for row in table]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "kind"), [("grid", Region), ("prices", Offer), ("training_costs", TrainingRun)]
)
def test_no_line_is_lost(name, kind):
    lines = (TABLES / f"{name}.csv").read_text().splitlines()
    written = [line for line in lines if line and not line.startswith("#")]
    assert len(rows(name, kind)) == len(written) - 1
    assert all(len(line) <= 100 for line in lines if line.startswith("#"))
