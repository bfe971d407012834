"""What makes it cheaper? One file or folder per family."""

from efficient.variants.compose import Composition, compose, kept, pruned
from efficient.variants.distill import Distill
from efficient.variants.precision import Precision
from efficient.variants.prune import Dynamic, Lottery, Prune, Remove, Ticket
from efficient.variants.quantize import Quantize
from efficient.variants.variant import (
    Load,
    Objective,
    Outputs,
    Phase,
    Plan,
    Probe,
    Variant,
    VariantError,
    Work,
)

#: The literal table is the registry; a user's own is `module:attribute`.
VARIANTS: dict[str, type[Variant]] = {
    "prune": Prune,
    "dynamic": Dynamic,
    "lottery": Lottery,
    "ticket": Ticket,
    "remove": Remove,
    "quantize": Quantize,
    "distill": Distill,
    "precision": Precision,
}

__all__ = [
    "VARIANTS",
    "Composition",
    "Distill",
    "Dynamic",
    "Load",
    "Lottery",
    "Objective",
    "Outputs",
    "Phase",
    "Plan",
    "Precision",
    "Probe",
    "Prune",
    "Quantize",
    "Remove",
    "Ticket",
    "Variant",
    "VariantError",
    "Work",
    "compose",
    "kept",
    "pruned",
]
