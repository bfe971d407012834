"""The file that is shipped: `weights.safetensors` beside `card.json`, both sealed by digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from efficient.deploy.pack import Packed
from efficient.ledger.store import digest_file, digest_json, write_json

FORMAT = 1
WEIGHTS, CARD = "weights.safetensors", "card.json"


class ArtefactError(ValueError):
    """An artefact that cannot be read: one line with the file and the remedy."""


def write(folder: Path, packed: Packed, card: dict[str, Any]) -> None:
    """Write the arrays, then the card that names their digest.

    card: the facts that rebuild the network (model, signature) and say where it came from.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    save_arrays(folder / WEIGHTS, packed.arrays)
    sha = digest_file(folder / WEIGHTS)
    card = {"format": FORMAT, "sha256": sha, "storage": packed.storage, **card}
    write_json(folder / CARD, {"seal": digest_json(card), **card})


def read(folder: Path) -> tuple[Packed, dict[str, Any]]:
    """The arrays and the card.

    Raises:
        ArtefactError: a file is missing, damaged or of a newer format.
    """
    try:
        card = json.loads((folder / CARD).read_text())
        sha = digest_file(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise ArtefactError(f"artefact {folder} cannot be read: {error}; export it again") from None
    if not isinstance(card, dict):
        raise ArtefactError(f"artefact {folder / CARD} is no object; export it again")
    if card.get("format") != FORMAT:
        raise ArtefactError(
            f"artefact {folder} has format {card.get('format')}, this package reads {FORMAT}; "
            "upgrade efficient-jax"
        )
    seal = card.pop("seal", None)
    for path, same in ((CARD, seal == digest_json(card)), (WEIGHTS, card.get("sha256") == sha)):
        if not same:
            raise ArtefactError(
                f"artefact {folder / path} has another digest than it was sealed with; it is "
                "damaged or changed, export it again"
            )
    return Packed(load_arrays(folder / WEIGHTS), card["storage"]), card


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by name as safetensors, whole or not at all."""
    from safetensors.numpy import save

    from efficient.ledger.store import write_bytes

    write_bytes(path, save({n: np.ascontiguousarray(a) for n, a in sorted(arrays.items())}))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name from safetensors.

    Raises:
        ArtefactError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtefactError(f"weights {path} cannot be read: {error}; train again") from None
