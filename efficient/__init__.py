"""efficient: accuracy against compute, measured. The public names, resolved when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficient.config import Config as Config
    from efficient.cost.flops import flops as flops
    from efficient.cost.measurement import measure as measure
    from efficient.ledger.record import Record as Record
    from efficient.run import train as train
    from efficient.variants import Variant as Variant

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "efficient.config",
    "train": "efficient.run",
    "flops": "efficient.cost.flops",
    "measure": "efficient.cost.measurement",
    "Record": "efficient.ledger.record",
    "Variant": "efficient.variants",
}

__all__ = ["Config", "Record", "Variant", "__version__", "flops", "measure", "train"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'efficient' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
