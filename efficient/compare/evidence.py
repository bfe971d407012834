"""What a variant proves of its mechanism, in one line: read from a run's evidence, not its name."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from efficient.compare.difference import baseline_of
from efficient.compare.summary import Row

#: What a control consists of, by the name in its evidence.
_PARTS = {
    "iterations": "iterations",
    "support_vectors": "support vectors",
    "trees": "trees",
    "tree_nodes": "nodes",
    "ngrams": "n-grams",
}


def proof(row: Row, rows: Sequence[Row] = ()) -> str:
    """The mechanism of a row in words, empty where nothing is proved.

    `rows` are those of the comparison: a distilled row is set beside its undistilled baseline.
    """
    distilled = _distilled(row, baseline_of(row, rows))
    parts = (_masked(row), _smaller(row), _quantized(row), distilled, _counted(row))
    return "; ".join(part for part in parts if part)


def is_masked(row: Row) -> bool:
    return _has(row, "weights_kept")


def is_quantized(row: Row) -> bool:
    return _has(row, "integer_arrays")


def is_distilled(row: Row) -> bool:
    taught = any(parent.role == "teacher" for parents in row.parents for parent in parents)
    return taught or bool(row.cost("flops_teacher"))


def _masked(row: Row) -> str:
    if not is_masked(row):
        return ""
    total = _range(row, "weights_prunable") if _has(row, "weights_prunable") else ""
    of = f" of {total} weights" if total else f" weights of {row.cost('params_total'):,.0f} params"
    asked = f" (asked {_range(row, 'weights_asked')})" if _has(row, "weights_asked") else ""
    text = f"kept {_range(row, 'weights_kept')}{of}{asked}"
    if not _has(row, "weights_removed_nonzero"):
        return text
    stray = max(_numbers(row, "weights_removed_nonzero"))
    if stray:
        return f"{text}, {stray:,.0f} removed weights are NOT 0 in the file"
    return f"{text}, removed all exactly 0 in the file"


def _smaller(row: Row) -> str:
    if not _has(row, "units_kept"):
        return ""
    kept, total = _range(row, "units_kept"), _range(row, "units_total")
    return f"{kept} of {total} units left, the others are gone from the network"


def _quantized(row: Row) -> str:
    if not is_quantized(row):
        return ""
    text = f"integer arrays {_range(row, 'integer_arrays')}"
    if _has(row, "weight_bytes_ratio"):
        text += f", weight bytes {_range(row, 'weight_bytes_ratio')} of float32"
    return text


def _distilled(row: Row, baseline: Row | None) -> str:
    if not is_distilled(row) or not _has(row, "reference_divergence"):
        return ""
    mine = _divergence(row, ("teacher", "reference"))
    text = f"KL to teacher {statistics.fmean(d for _, d in mine.values()):.3g}"
    theirs = _divergence(baseline, ("reference", "teacher")) if baseline else {}
    shared = [s for s in mine if s in theirs and mine[s][0] & theirs[s][0]]
    if not shared:
        return f"{text}; no undistilled run was measured against the same teacher"
    nearer = sum(mine[s][1] < theirs[s][1] for s in shared)
    mean = statistics.fmean(theirs[s][1] for s in shared)
    return f"{text} vs {mean:.3g} of the undistilled, nearer on {nearer} of {len(shared)} seeds"


def _counted(row: Row) -> str:
    """Of a control: what it consists of, and what a prediction took."""
    if not _has(row, "predict_us"):
        return ""
    parts = [f"{_range(row, key)} {words}" for key, words in _PARTS.items() if _has(row, key)]
    microseconds = statistics.fmean(_numbers(row, "predict_us"))
    return ", ".join([*parts, f"{microseconds:.3g} us to predict one {row.unit}"])


def _divergence(row: Row, roles: Iterable[str]) -> dict[int, tuple[set[str], float]]:
    """By seed: the runs the divergence was measured against, and the divergence."""
    found = {}
    for seed, evidence, parents in zip(row.seeds, row.evidence, row.parents, strict=True):
        value = evidence.get("reference_divergence")
        if isinstance(value, (int, float)) and not math.isnan(value):
            named = {str(evidence["reference"])} if "reference" in evidence else set()
            against = named or {p.run_id for p in parents if p.role in roles}
            found[seed] = (against, float(value))
    return found


def _has(row: Row, key: str) -> bool:
    return all(isinstance(evidence.get(key), (int, float)) for evidence in row.evidence)


def _numbers(row: Row, key: str) -> list[float]:
    return [value for e in row.evidence if isinstance(value := e.get(key), (int, float))]


def _range(row: Row, key: str) -> str:
    """One number where all seeds agree, else the least and the greatest."""
    low, high = min(_numbers(row, key)), max(_numbers(row, key))
    shown = [f"{v:,.0f}" if float(v).is_integer() else f"{v:.3g}" for v in (low, high)]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]}-{shown[1]}"
