"""An artefact found, verified and ready to run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from efficient.deploy.error import ArtefactError
from efficient.deploy.format import CARD, read
from efficient.deploy.pack import Packed, install, unpack
from efficient.ledger.codec import from_dict
from efficient.ledger.record import FINISHED
from efficient.ledger.store import find_run, read_record
from efficient.models.network import NETWORKS
from efficient.models.signature import Signature

#: The folder of the artefact in the folder of its run.
FOLDER = "artefact"


@dataclass(frozen=True)
class Artefact:
    """A shipped model.

    folder: where it lies; card: what `card.json` says; packed: the arrays as they are shipped;
    sizes: bytes of each file by name; predict: `(weights, inputs) -> logits` float32, not compiled;
    weights: its arrays by name, on the default device.
    """

    folder: Path
    card: dict[str, Any]
    packed: Packed
    sizes: dict[str, int]
    predict: Callable[..., Any]
    weights: dict[str, jax.Array]

    @property
    def signature(self) -> Signature:
        """The shape of its inputs and the number of its classes."""
        return from_dict(Signature, self.card["signature"], "card.signature")

    def build(self) -> nnx.Module:
        """The network in evaluation mode, with the shipped weights in place."""
        return install(_builder(self.folder, self.card), self.packed)


def locate(name: str | Path, root: str | Path) -> Path:
    """The folder of an artefact: itself, or that of a finished run, by its folder or id in `root`.

    Raises:
        StoreError: there is no such run. ArtefactError: it has shipped nothing.
    """
    if (Path(name) / CARD).is_file():
        return Path(name)
    directory = find_run(root, name)
    record = read_record(directory)
    if record.status != FINISHED:
        raise ArtefactError(
            f"run {record.run_id} is {record.status}, not finished, and has shipped nothing; "
            "train it to its end first"
        )
    if record.is_control:
        raise ArtefactError(
            f"run {record.run_id} is of a control ({record.model}) and has shipped no network; "
            "give a run of one"
        )
    return directory / FOLDER


def load(folder: str | Path, shifted: bool | None = None) -> Artefact:
    """Read and verify an artefact, and make its function.

    shifted: contract integers in the forms that are fast on this machine, see
    `models.integer.arrange`; None takes the arrays and forms that are exported.

    Raises:
        ArtefactError: a file is missing, damaged, of another format or of another network.
    """
    folder = Path(folder)
    packed, card = read(folder)
    predict, weights = unpack(_builder(folder, card), packed, shifted)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    return Artefact(folder, card, packed, sizes, predict, weights)


def _builder(folder: Path, card: dict[str, Any]) -> Callable[[], nnx.Module]:
    """Makes the network of a card: one of the table, or somebody's own `module:attribute`."""
    model, signature = card.get("model"), card.get("signature")
    if not isinstance(model, dict) or not isinstance(model.get("type"), str):
        raise ArtefactError(f"artefact {folder / CARD} names no network; export the run again")
    name = model["type"]
    kind = NETWORKS.get(name)
    if kind is None:
        module, _, attribute = name.partition(":")
        try:
            kind = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ArtefactError(f"network {name!r} cannot be loaded: {error}") from None
    spec = from_dict(kind, {k: v for k, v in model.items() if k != "type"}, "card.model")
    fitted = from_dict(Signature, signature, "card.signature")
    return lambda: spec.build(fitted, nnx.Rngs(0))
