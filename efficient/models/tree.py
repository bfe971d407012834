"""Weights by name: `block_0/attention/query/kernel` for nested dicts, and back."""

from __future__ import annotations

from typing import Any

from flax import traverse_util


def flatten(tree: Any) -> dict[str, Any]:
    """Leaves of nested dicts by their joined names."""
    return {str(name): leaf for name, leaf in traverse_util.flatten_dict(tree, sep="/").items()}


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts from joined names."""
    return traverse_util.unflatten_dict(flat, sep="/")
