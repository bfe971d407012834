"""What the script of the overview's plot reads of a workload, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficient.compare.decision import Decision
from efficient.compare.summary import ACCURACY, Row
from efficient.report import number
from efficient.report.site.address import anchor, comparison_page, stem
from efficient.report.site.axis import AXES, Value, interval, reasons
from efficient.report.site.series import Series, method


def axes() -> list[dict[str, str]]:
    """What the script knows of the axes."""
    return [
        {"key": axis.key, "title": axis.title, "unit": axis.unit, "meaning": axis.meaning}
        for axis in AXES
    ]


def data(
    rows: Sequence[Row],
    values: Sequence[dict[str, Value]],
    looks: dict[str, Series],
    words: dict[str, Decision],
) -> dict[str, Any]:
    """Plain values for the plot; `axes` gives for each the reason why nobody knows it, or ""."""
    first = rows[0]
    return {
        "workload": first.workload,
        "page": comparison_page(first.workload),
        "title": number.quality_title(first),
        "percent": first.quality_name == ACCURACY,
        "more": first.more_is_better,
        "series": {s.name: [s.colour, s.shape] for s in looks.values()},
        "axes": {
            axis.key: ""
            if any(own[axis.key].spread for own in values)
            else next(iter(dict.fromkeys(own[axis.key].reason for own in values)))
            for axis in AXES
        },
        "unknown": {
            axis.key: reasons(
                [(row.label, own[axis.key]) for row, own in zip(rows, values, strict=True)]
            )
            for axis in AXES
            if any(own[axis.key].spread for own in values)
        },
        "arms": [
            _arm(row, own, words.get(row.label)) for row, own in zip(rows, values, strict=True)
        ],
    }


def _arm(row: Row, values: dict[str, Value], decision: Decision | None) -> dict[str, Any]:
    known = {axis.key: values[axis.key] for axis in AXES if values[axis.key].spread}
    return {
        "label": row.label,
        "series": method(row.label),
        "model": row.model,
        "anchor": anchor(row.label),
        "seeds": row.seeds,
        "runs": [stem(run) for run in row.run_ids],
        "ids": row.run_ids,
        "quality": _placed(row.quality.mean, interval(row.quality)),
        "said": number.quality_spread(row, row.quality),
        "verdict": decision.said if decision else "",
        "qualities": [_short(v) for v in row.quality.values],
        "costs": {
            key: [*_placed(v.spread.mean, interval(v.spread)), number.quantity(v.spread.mean, unit)]
            for key, v in known.items()
            if v.spread
            for unit in [next(a.unit for a in AXES if a.key == key)]
        },
        "values": {
            key: [_short(x) for x in v.spread.values]
            for key, v in known.items()
            if v.spread and len(v.spread.values) == row.n and v.spread.sd
        },
    }


def _placed(mean: float, ends: tuple[float, float] | None) -> list[float | None]:
    low, high = ends or (None, None)
    return [
        _short(mean),
        None if low is None else _short(low),
        None if high is None else _short(high),
    ]


def _short(value: float) -> float:
    """Seven digits: more than a plot can show, and half the bytes."""
    return float(f"{value:.7g}")
