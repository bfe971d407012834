"""Marks in the label of an arm, which a record keeps: `magnitude @ 4x`, `baseline ~ trial 3`."""

from __future__ import annotations

#: Between a method and one of its operating points; of a baseline, that of its training budget.
POINT = " @ "
#: Between an arm and the number of a run that only looked for its setting.
TRIAL = " ~ trial "


def budget(label: str, factor: float) -> str:
    """An arm trained for `factor` times its own length."""
    return f"{label}{POINT}{factor:g}x"


def trial(label: str, number: int) -> str:
    """One of the runs from which the setting of an arm is chosen."""
    return f"{label}{TRIAL}{number}"


def tuned_for(label: str) -> str:
    """The arm that a trial belongs to; "" where the label is of no trial."""
    arm, mark, _ = label.rpartition(TRIAL)
    return arm if mark else ""
