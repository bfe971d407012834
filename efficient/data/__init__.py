"""What is learned from: tensorflow-datasets in, memory-mapped arrays and their fingerprint out.

Importing this package imports neither tensorflow-datasets nor TensorFlow. A dataset is decoded
once; afterwards `load` only checks digests and maps files.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficient.data.catalogue import listing
    from efficient.data.dataset import Dataset, describe, load
    from efficient.data.error import DataError
    from efficient.data.preparation import prepare

__all__ = ["DataError", "Dataset", "describe", "listing", "load", "prepare"]

_HOME = {
    "DataError": "efficient.data.error",
    "Dataset": "efficient.data.dataset",
    "describe": "efficient.data.dataset",
    "listing": "efficient.data.catalogue",
    "load": "efficient.data.dataset",
    "prepare": "efficient.data.preparation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
