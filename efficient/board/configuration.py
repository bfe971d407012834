"""The config of an entry, decoded by the suite's own code, and the data that it was trained on.

Only names of the suite's tables are taken: `module:attribute` would import what a stranger wrote.
Numbers are bounded first, since a network of a billion blocks is built before it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from efficient.board.entry import Opened
from efficient.board.error import FAULTS, BoardError, quoted
from efficient.config import TABLES, Config, from_json, nearest, type_name, typed, untyped
from efficient.data import DataError, Dataset, load
from efficient.ledger.record import Record
from efficient.models.network import NETWORKS
from efficient.models.signature import Signature
from efficient.run.parent import needed
from efficient.variants import VARIANTS

#: Largest size of a network, longest stack of blocks, most entries of a list, any other number.
MOST_SIZE, MOST_DEPTH, MOST_LIST, MOST_NUMBER = 65_536, 1_300, 1_024, 10**9
#: Variants do so many rounds, updates or batches at most.
MOST_REPEATS = 100_000


@dataclass(frozen=True)
class Decoded:
    """One run of an entry: its config, the sizes of its network at the end, and its data."""

    record: Record
    config: Config
    spec: Any
    dataset: Dataset

    @property
    def signature(self) -> Signature:
        """Of the suite's own data, whatever the record says."""
        shape, classes = self.config.workload.signature(self.dataset)
        return Signature(shape, classes, self.dataset.kind)


def decode(opened: Opened, data_dir: str | None = None) -> dict[str, Decoded]:
    """Every record of an entry by run id, parents included.

    Raises:
        BoardError: a name is not the suite's, a value cannot be, the record says another thing
            than its config, the data are others, or are not prepared here.
    """
    found = {}
    for run_id, record in opened.records.items():
        try:
            found[run_id] = _decode(record, opened, data_dir)
        except BoardError as error:
            raise BoardError(f"run {run_id}: {error}") from None
    return found


def check_names(config: dict[str, Any], own: frozenset[str] = frozenset()) -> None:
    """Every type is one of the suite's, or a network or variant of these modules of the entry.

    Raises:
        BoardError: one is neither. Nothing is imported to find out.
    """
    parts = [(name, config.get(name)) for name in ("workload", "model")]
    listed = config.get("variants", [])
    parts += [("variants", part) for part in (listed if isinstance(listed, list) else [listed])]
    for table, part in parts:
        name = part.get("type") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise BoardError(f"config.{table} is no object with a type")
        module, colon, _ = name.partition(":")
        brought = bool(colon) and module in own and table != "workload"
        if not brought and name not in TABLES[table]:
            raise BoardError(
                f"config.{table} {quoted(name)} is none of the suite's nor of a file of a code "
                f"entry, and nothing else is imported: {nearest(name, TABLES[table])}"
            )


def _decode(record: Record, opened: Opened, data_dir: str | None) -> Decoded:
    check_names(record.config)
    _check_sizes(record.config, record.spec)
    try:
        config = from_json(record.config, own=False)
        spec = typed(NETWORKS, record.spec, "spec", own=False) if record.spec else config.model
        dataset = load(config.workload.data, data_dir)
        config.workload.check(dataset)
        _check_labels(record, config)
        _check_parents(record, config, opened)
        _check_data(record, config, dataset)
    except BoardError:
        raise
    except DataError as error:
        raise BoardError(f"its data are not here: {error}") from None
    except FAULTS as error:
        raise BoardError(f"its config cannot be: {error}") from None
    return Decoded(record, config, spec, dataset)


def _check_sizes(config: dict[str, Any], spec: Any) -> None:
    """No number that a machine would have to be refused over."""
    for part, most in ((config, MOST_NUMBER), (config.get("model"), MOST_SIZE), (spec, MOST_SIZE)):
        for name, value in _leaves(part, ""):
            limit = MOST_DEPTH if name == "depth" else most
            if isinstance(value, (int, float)) and abs(value) > limit and name != "seed":
                raise BoardError(f"config {name} {quoted(value)} is above {limit:,}")
    for name, value in _leaves(config.get("variants"), ""):
        if isinstance(value, int) and value > MOST_REPEATS and name != "seed":
            raise BoardError(f"config.variants {name} {quoted(value)} is above {MOST_REPEATS:,}")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, key)
    elif isinstance(value, list):
        if len(value) > MOST_LIST:
            raise BoardError(f"config {name} lists {len(value):,}; at most {MOST_LIST:,}")
        for part in value:
            yield from _leaves(part, name)
    else:
        yield name, value


def _check_labels(record: Record, config: Config) -> None:
    """What a record says of its run is what its config says."""
    said = {
        "workload": (record.workload, config.workload.name),
        "model": (record.model, type_name(NETWORKS, config.model)),
        "variants": (record.variants, tuple(type_name(VARIANTS, v) for v in config.variants)),
        "seed": (record.seed, config.seed),
        "select": (record.select, config.select),
    }
    for name, (found, wanted) in said.items():
        if found != wanted:
            raise BoardError(f"{name} is {quoted(found)}, by its config {quoted(wanted)}")
    if (
        record.spec is not None
        and record.spec.get("type") != untyped(NETWORKS, config.model)["type"]
    ):
        raise BoardError("spec is of another network than its config")
    if record.cost.examples_seen != record.steps * config.batch_size:
        raise BoardError(f"examples_seen {record.cost.examples_seen} are not steps x batch_size")


def _check_parents(record: Record, config: Config, opened: Opened) -> None:
    """Its parents are those that its config needs, by id and never by path, each as what it was.

    A teacher that is called a reference, or left out, would be charged to nobody.
    """
    wanted, told = set(needed(config)), {(parent.role, parent.run_id) for parent in record.parents}
    for role, run in sorted(wanted - told):
        raise BoardError(f"config needs {role} {quoted(run)}, of which its record does not tell")
    for role, run in sorted(told - wanted):
        raise BoardError(f"record tells of {role} {quoted(run)}, which its config does not need")
    for parent in record.parents:
        held = opened.records.get(parent.run_id)
        if held is not None and held.request != parent.request:
            raise BoardError(f"parent {quoted(parent.run_id)} is another request than was needed")


def _check_data(record: Record, config: Config, dataset: Dataset) -> None:
    """The same bytes as the suite's own copy, counted likewise."""
    said, workload = record.data, config.workload
    facts = {
        "name": (said.name, dataset.name),
        "version": (said.version, dataset.version),
        "fingerprint": (said.fingerprint, dataset.fingerprint),
        "overlap": (said.overlap, dataset.overlap),
        "unit": (said.unit, workload.unit),
        "splits": (
            {name: (split.examples, split.sha256) for name, split in said.splits.items()},
            {n: (workload.examples(dataset, n), sha) for n, sha in dataset.split_sha256.items()},
        ),
    }
    for name, (found, wanted) in facts.items():
        if found != wanted:
            raise BoardError(f"data.{name} {quoted(found)} is not the suite's {quoted(wanted)}")
    units = _units(workload, dataset)
    if record.scores["test"].units != units or record.scores["artefact"].units != units:
        raise BoardError(f"its test score is not of the {units} units of the test split")


def _units(workload: Any, dataset: Dataset) -> int:
    """Scored units of the test split: images, or the tokens of all windows."""
    examples = workload.examples(dataset, "test")
    return examples * getattr(workload, "context", 1)
