"""A count as a few lines to be read, as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from efficient.cost.value import bucket

if TYPE_CHECKING:
    from efficient.cost.flops import Count

#: Scopes that are shown, the dearest first.
SCOPES = 6


def summary(count: Count) -> str:
    """The total, its parts by phase, dtype and scope, and what has no price."""
    rows = [
        (name if index == 0 else "", part, f"{flops:,}", f"{flops / count.priced:.0%}")
        for name, parts in _tables(count)
        for index, (part, flops) in enumerate(parts.items())
    ]
    wide = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [_headline(count)]
    for name, part, exact, share in rows:
        lines.append(f"  {name:<{wide[0]}}  {part:<{wide[1]}}  {exact:>{wide[2]}}  {share:>4}")
    if count.unpriced:
        lines.append(f"  unpriced  {', '.join(count.unpriced)}")
    return "\n".join(lines)


def scaled(flops: int) -> str:
    """About `flops`, with a prefix: "2.26 MFLOP"."""
    value, prefixes = float(flops), iter(("", "k", "M", "G", "T", "P", "E", "Z"))
    prefix = next(prefixes)
    while value >= 999.5 and prefix != "Z":
        value, prefix = value / 1000, next(prefixes)
    return f"{value:.3g} {prefix}FLOP"


def _headline(count: Count) -> str:
    least = "at least " if count.unpriced else ""
    padding = "padding counted" if count.padded else "padding not counted"
    exact = f"{least}{count.priced:,} FLOPs"
    return f"{exact} ({scaled(count.priced)}; a multiply-add is 2, {padding})"


def _tables(count: Count) -> Iterator[tuple[str, dict[str, int]]]:
    yield "phase", {name: part for name, part in count.by_phase.items() if part}
    if count.recomputed:
        yield "remat", {"recomputed": count.recomputed}
    by_bucket: dict[str, int] = {}
    for name, part in count.by_dtype.items():
        by_bucket[bucket(name)] = by_bucket.get(bucket(name), 0) + part
    yield "dtype", by_bucket
    yield "scope", _dearest(count.by_scope)


def _dearest(by_scope: dict[str, int]) -> dict[str, int]:
    """The dearest scopes and the sum of the others; nothing where nobody named a scope."""
    if set(by_scope) <= {""}:
        return {}
    ranked = sorted(by_scope.items(), key=lambda item: -item[1])
    first = {name or "(no scope)": part for name, part in ranked[:SCOPES]}
    rest = ranked[SCOPES:]
    return first | ({f"({len(rest)} more)": sum(part for _, part in rest)} if rest else {})
