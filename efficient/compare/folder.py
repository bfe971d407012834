"""A folder of records, compared: together where they may be, else folder by folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from efficient.compare.error import CompareError
from efficient.compare.summary import Row, rows, unscored
from efficient.ledger.benchmark import Benchmark
from efficient.ledger.codec import RecordError, from_dict
from efficient.ledger.place import is_remote
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import RECORD, RECORDS, read_json, records

#: What `efficient bench --json` says, kept beside the records: one benchmark, or several by name.
BENCHMARK = "benchmark.json"


@dataclass(frozen=True)
class Folder:
    """What a folder or prefix holds. complaints: a line for each file or run that is unfit.

    latencies: median seconds of a call at batch 1, by workload and name of the arm or run.
    apart: where folders are compared by themselves, the records on workloads `folder/workload`.
    """

    place: Path | str
    records: tuple[Record, ...]
    rows: tuple[Row, ...]
    complaints: tuple[str, ...]
    latencies: dict[tuple[str, str], float]
    apart: tuple[Record, ...] = ()

    @property
    def compared(self) -> tuple[Record, ...]:
        """The records on the workloads of the rows."""
        return self.apart or self.records


def read(directory: Path | str) -> Folder:
    """Every record below a folder. Where arms of one name differ between its own folders, each of
    these is compared by itself, its workloads named `folder/workload`, and a complaint says so.

    Raises:
        CompareError: no run is finished, or those of one folder may not be compared.
        StoreError: the folder does not exist.
    """
    folder = str(directory)
    found, complaints = _read(folder)
    if not any(record.status == FINISHED for record in found):
        why = f": {complaints[0]}" if complaints else ""
        raise CompareError(f"{folder} holds no finished run; train some with --out {folder}{why}")
    apart: dict[str, list[Record]] = {}
    named: list[Record] = []
    try:
        made = rows(found)
    except CompareError as error:
        apart = {} if is_remote(folder) else _apart(Path(folder))
        if len(apart) < 2:
            raise
        complaints.insert(0, f"each folder of {folder} is compared by itself, because {error}")
        made = rows(named := [record for own in apart.values() for record in own])
    timed = {
        (f"{name}/{workload}" if name else workload, subject): value
        for name in ([] if is_remote(folder) else apart or [""])
        for (workload, subject), value in latencies(Path(folder, name), complaints).items()
    }
    return Folder(folder, tuple(found), tuple(made), tuple(complaints), timed, tuple(named))


def _read(place: Path | str) -> tuple[list[Record], list[str]]:
    """Its records, without finished runs that have no quality: a complaint names each."""
    found, complaints = records(place)
    lacking = {r.run_id: why for r in found if r.status == FINISHED and (why := unscored(r))}
    return [r for r in found if r.run_id not in lacking], [*complaints, *lacking.values()]


def _apart(folder: Path) -> dict[str, list[Record]]:
    """Records on `folder/workload`, by name of the folder directly below that holds them; none
    where runs of the folder itself belong to none of these."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    if (folder / RECORDS).is_file() or any((path / RECORD).is_file() for path in inside):
        return {}
    made = {}
    for inner in inside:
        own, _ = _read(inner)
        if any(record.status == FINISHED for record in own):
            made[inner.name] = [replace(r, workload=f"{inner.name}/{r.workload}") for r in own]
    return made


def latencies(folder: Path, complaints: list[str]) -> dict[tuple[str, str], float]:
    """As `Folder` has them, of every benchmark below a folder; what is unfit joins `complaints`."""
    found = {}
    for path in sorted(folder.rglob(BENCHMARK)):
        try:
            for made in _benchmarks(path):
                for latency in made.latencies:
                    if "p50" in latency.quantiles:
                        found[made.workload, latency.subject] = latency.quantiles["p50"]
        except (RecordError, OSError) as error:
            complaints.append(f"{path}: {error}")
    return found


def _benchmarks(path: Path) -> list[Benchmark]:
    value = read_json(path)
    several = [value] if "subjects" in value else list(value.values())
    return [from_dict(Benchmark, one, "benchmark") for one in several]
