"""Runs of an entry trained again, each by a fresh process of the suite's own code.

Under equal code, libraries and processor the parameters must be the same bits. Elsewhere the score
must be one that another seed of the claimed runs could have had.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from efficient.board.claim import SHIPPED
from efficient.board.entry import Opened
from efficient.board.error import BoardError
from efficient.board.rules import Target
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import read_record

#: Chance that an honest entry is refused because its seeds were lucky.
LEVEL = 0.01
#: Seconds that a replay may take: so many times what is claimed, as long to begin with, and a week.
PATIENCE, START_S, MOST_S = 5.0, 300.0, 604_800.0
#: Counts that a run of the same config has again: everywhere, then on the same platform.
COUNTED = ("flops_model", "flops_executed", "flops_teacher", "flops_eval")
#: And where it has the same bits.
OF_BITS = ("flops_effective", "params_nonzero")


@dataclass(frozen=True)
class Replayed:
    """A claimed run beside the one that was trained again."""

    claimed: Record
    record: Record

    @property
    def same_place(self) -> bool:
        """Whether equal bits can be asked for: code, libraries, processor and its cores."""
        one, other = self.claimed, self.record
        return (
            one.source.digest == other.source.digest
            and one.versions == other.versions
            and one.machine.platform == other.machine.platform == "cpu"
            and (one.machine.cpu, one.machine.cores) == (other.machine.cpu, other.machine.cores)
            and one.machine.cpu_features == other.machine.cpu_features
        )

    @property
    def same_bits(self) -> bool:
        return self.claimed.params_digest == self.record.params_digest


def replay(
    opened: Opened,
    target: Target,
    count: int,
    data_dir: str | None,
    tell: Callable[[str], None],
) -> str:
    """Train so many of the claimed runs again, drawn by chance; what was found, in words.

    Raises:
        BoardError: one does not train, or its bits, FLOPs or score are not those claimed.
    """
    drawn = random.SystemRandom().sample(opened.runs, min(count, len(opened.runs)))
    with tempfile.TemporaryDirectory(prefix="efficient-replay-") as folder:
        names: dict[str, str] = {}
        pairs = []
        for record in drawn:
            for each in in_order(record, opened):
                if each.run_id not in names:
                    tell(f"training {each.run_id} again")
                    names[each.run_id] = _train(each, names, Path(folder), data_dir)
            again = read_record(Path(folder) / names[record.run_id])
            pairs.append(Replayed(record, again))
    return judge(pairs, opened, target)


def in_order(record: Record, opened: Opened) -> list[Record]:
    """What a run needed, in whatever role, each after what it needed itself; then the run.

    Raises:
        BoardError: the record of a parent is not in the entry, or a run needs itself.
    """
    graph: dict[str, list[str]] = {}
    waiting = [record]
    while waiting:
        one = waiting.pop()
        if one.run_id in graph:
            continue
        graph[one.run_id] = [parent.run_id for parent in one.parents]
        for run_id in graph[one.run_id]:
            if run_id not in opened.records:
                raise BoardError(f"run {one.run_id} needs {run_id}, whose record is missing")
            waiting.append(opened.records[run_id])
    try:
        return [opened.records[run_id] for run_id in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " from ".join(error.args[1])
        raise BoardError(f"run {record.run_id} needs itself: {circle}") from None


def patience(record: Record) -> float:
    """Seconds that training a run again may take."""
    return min(START_S + PATIENCE * record.cost.total_s, MOST_S)


def judge(pairs: Sequence[Replayed], opened: Opened, target: Target) -> str:
    """Do the runs agree with those claimed?

    Raises:
        BoardError: they do not.
    """
    for pair in pairs:
        _compare(pair)
    check_scores(
        [_quality(run, target) for run in opened.runs],
        [_quality(pair.record, target) for pair in pairs],
        target,
    )
    bits = sum(pair.same_bits for pair in pairs)
    seeds = ", ".join(str(pair.claimed.seed) for pair in pairs)
    how = f"{bits} bit for bit" if bits else "within the spread of the seeds"
    ratio = fmean(pair.record.cost.train_s / max(pair.claimed.cost.train_s, 1e-9) for pair in pairs)
    return (
        f"{len(pairs)} of {len(opened.runs)} runs trained again (seeds {seeds}), {how}; "
        f"in {ratio:.2f} times the seconds"
    )


def check_scores(claimed: Sequence[float], found: Sequence[float], target: Target) -> None:
    """Refuse scores that are worse than more seeds of what is claimed would be, but for 1 in 100.

    Student's prediction interval of the mean of further values, one-sided.

    Raises:
        BoardError: they are, or one value is claimed.
    """
    from scipy.stats import t

    size, more = len(claimed), len(found)
    if size < 2:
        raise BoardError("one claimed run has no spread to compare with; claim two or more")
    reach = float(t.ppf(1 - LEVEL, size - 1)) * stdev(claimed) * math.sqrt(1 / size + 1 / more)
    sign = 1 if target.more_is_better else -1
    lost = sign * (fmean(claimed) - fmean(found))
    if lost > reach:
        raise BoardError(
            f"trained again it has {target.quality} {fmean(found):.4f}, {fmean(claimed):.4f} is "
            f"claimed, and seeds explain {reach:.4f} of the difference"
        )


def _compare(pair: Replayed) -> None:
    claimed, again = pair.claimed, pair.record
    if pair.same_place and not pair.same_bits:
        raise BoardError(
            f"run {claimed.run_id}, trained again by the same code on the same processor, has "
            "other parameters than claimed"
        )
    same_platform = claimed.machine.platform == again.machine.platform
    whole = len(claimed.cost.processes) == 1
    names = COUNTED if same_platform and whole else COUNTED[:1]
    for name in (*names, *(OF_BITS if pair.same_bits else ())):
        said, found = getattr(claimed.cost, name), getattr(again.cost, name)
        if said != found:
            raise BoardError(f"run {claimed.run_id}: {name} {said} is claimed, {found} were run")


def _train(record: Record, names: Mapping[str, str], out: Path, data_dir: str | None) -> str:
    """Train a config again in a process of its own; the id of the new run."""
    path = out / f"{len(names)}.json"
    path.write_text(json.dumps(_renamed(record.config, names)))
    command = [sys.executable, "-m", "efficient", "train", str(path), "--out", str(out)]
    command += ["--quiet", "--json", *(["--data-dir", data_dir] if data_dir else [])]
    limit = patience(record)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        claimed = record.cost.total_s
        raise BoardError(
            f"run {record.run_id} takes longer than {limit:.6g} s; {claimed:.3g} s are claimed"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BoardError(f"run {record.run_id} does not train: {last}")
    made = json.loads(done.stdout)
    assert made["status"] == FINISHED
    return made["run_id"]


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A config that names the runs as they are called here."""
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def _quality(record: Record, target: Target) -> float:
    return getattr(record.scores[SHIPPED], target.quality)
