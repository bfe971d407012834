"""The curve of an attempt: a line for every chunk in a file, and the points that have a score."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from efficient.cost.account import total_j
from efficient.ledger.bill import Process
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.record import Point, Score
from efficient.ledger.store import append_line, read_lines, write_text
from efficient.run.spending import add, energy_of, lap_of
from efficient.train.loop import Stretch

CURVE = "curve.jsonl"


@dataclass
class Curve:
    """points: those with a score, up to the step at which the run stands."""

    path: Path
    points: list[Point] = field(default_factory=list)

    def add(
        self,
        phase: str,
        stretch: Stretch,
        chunk_s: float,
        score: Score | None,
        processes: tuple[Process, ...],
    ) -> Point:
        """Append one chunk; `processes` are the bills of the attempt at its end."""
        point = Point(
            step=stretch.step,
            phase=phase,
            train_loss=float(stretch.losses.mean(dtype=np.float64)),
            validation=score,
            train_s=lap_of(processes, "train"),
            total_s=sum(process.total_s for process in processes),
            flops_executed=add(*(process.flops_executed for process in processes)),
            steps=stretch.steps,
            chunk_s=chunk_s,
            energy_j=total_j(energy_of(processes)),
        )
        append_line(self.path, to_dict(point))
        if point.validation is not None:
            self.points.append(point)
        return point

    def restart(self) -> None:
        """From the first step: what an earlier process left is gone."""
        self.path.unlink(missing_ok=True)
        self.points = []

    def restore(self, step: int) -> None:
        """Keep what was written up to a checkpoint at `step`."""
        lines = read_lines(self.path) if self.path.is_file() else []
        lines = [line for line in lines if line["step"] <= step]
        found = [from_dict(Point, line, CURVE) for line in lines]
        self.points = [point for point in found if point.validation is not None]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))
