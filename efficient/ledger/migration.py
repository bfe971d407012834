"""Records of earlier schemas become records of this one: no record is ever unreadable for its age.

A step takes the plain JSON of a record to the next schema. It is pure, and adds nothing that the
record did not know: what is new is `None` or empty, and `Cost.unknown` says that it was not kept.
A step is never changed once records of its schema exist; a new schema gets a new step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Plain = dict[str, Any]

#: What schema 2 keeps of a run's cost and schema 1 did not. (A budget did not exist.)
_COSTS_OF_2 = (
    *("flops_by_dtype", "flops_by_phase", "bit_operations", "xla_flops_ratio"),
    *("memory_weights_bytes", "memory_optimizer_bytes"),
    *("memory_activation_bytes", "memory_static_bytes"),
    *("energy", "energy_j", "energy_facility_kwh", "pue", "grid", "carbon_gco2e"),
    *("price", "cost_usd", "chip", "peak", "mfu", "hfu"),
    *("bound", "dispatch_floor_s", "calibration", "estimate"),
)


def migrate(plain: Plain, schema: int) -> Plain:
    """`plain` at `schema`; as it is where no step leads on from its own."""
    while plain["schema"] < schema and plain["schema"] in STEPS:
        plain = STEPS[plain["schema"]](plain)
    return plain


def _from_1(plain: Plain) -> Plain:
    """Schema 2 added energy, carbon, money, utilisation, the parts of memory and the estimate."""
    cost = plain.get("cost")
    if isinstance(cost, dict) and isinstance(cost.get("unknown", {}), dict):
        reasons = {name: "not kept by records of schema 1" for name in _COSTS_OF_2}
        reasons = {name: why for name, why in reasons.items() if name not in cost}
        plain = plain | {"cost": cost | {"unknown": reasons | cost.get("unknown", {})}}
    return plain | {"schema": 2}


#: Schema -> the step that leads to the next one.
STEPS: dict[int, Callable[[Plain], Plain]] = {1: _from_1}
