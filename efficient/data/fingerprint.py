"""Digests of what a run is fed: two runs with one fingerprint saw the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> bytes:
    """The one JSON text of a plain value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a plain value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def split_digest(arrays: Mapping[str, Mapping[str, Any]]) -> str:
    """sha256 of one split: names, types, shapes and content digests of its arrays."""
    return digest(
        {
            name: {key: array[key] for key in ("dtype", "shape", "sha256")}
            for name, array in arrays.items()
        }
    )


def fingerprint(
    name: str,
    version: str,
    classes: int,
    split_sha256: Mapping[str, str],
    details: Mapping[str, str],
) -> str:
    """sha256 of a dataset: its splits, the number of classes and the details of its origin."""
    return digest(
        {
            "name": name,
            "version": version,
            "classes": classes,
            "splits": dict(split_sha256),
            "details": dict(details),
        }
    )
