"""The files that are shipped: arrays, the functions that run them, and a card that seals them.

`weights.safetensors` holds the arrays as `encoding` codes them, `card.json` says what they are and
has the digest of every other file. The seal of the card finds damage and careless changes; it is
no signature, and whoever means to deceive can make a new one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from efficient.deploy.encoding import Form, check, decode
from efficient.deploy.error import ArtefactError
from efficient.deploy.pack import Packed
from efficient.ledger.codec import RecordError, from_dict, to_dict
from efficient.ledger.store import digest_file, digest_json, write_bytes, write_text
from efficient.models.layers import Storage

FORMAT = 2
WEIGHTS, CARD = "weights.safetensors", "card.json"
#: Fields of a card that `write` fills in itself.
OWN = ("seal", "format", "files", "arrays", "storage")


def write(
    folder: Path,
    packed: Packed,
    card: Mapping[str, Any],
    functions: Mapping[str, bytes] | None = None,
) -> None:
    """Write the arrays, then the functions by file name, then the card that has their digests.

    card: the facts that rebuild the network (model, signature) and say where it came from.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    stored, forms = packed.encoded
    save_arrays(folder / WEIGHTS, stored)
    for name, content in (functions or {}).items():
        write_bytes(folder / name, content)
    files = {
        name: {"sha256": digest_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in (WEIGHTS, *(functions or {}))
    }
    facts = {name: value for name, value in card.items() if name not in OWN}
    own = {
        "format": FORMAT,
        "files": files,
        "arrays": {name: _brief(form) for name, form in forms.items()},
        "storage": {path: _brief(storage) for path, storage in packed.storage.items()},
    }
    write_text(folder / CARD, _text(to_dict(own | facts)))


def read(folder: Path) -> tuple[Packed, dict[str, Any]]:
    """The arrays and the card, after every digest, type and shape has been compared.

    Raises:
        ArtefactError: a file is missing, damaged, changed or of another format.
    """
    card = _card(folder / CARD)
    try:
        digests = {name: card["files"][name]["sha256"] for name in {WEIGHTS, *card["files"]}}
        forms = {n: from_dict(Form, form, n) for n, form in {**card["arrays"]}.items()}
        storage = {p: from_dict(Storage, kept, p) for p, kept in {**card["storage"]}.items()}
    except (ArtefactError, RecordError, KeyError, TypeError) as error:
        text = f"artefact {folder / CARD} describes no artefact ({error}); export the run again"
        raise ArtefactError(text) from None
    for name, digest in digests.items():
        _verify(folder / name, digest)
    stored = load_arrays(folder / WEIGHTS)
    try:
        check(forms, stored)
    except ArtefactError as error:
        raise ArtefactError(f"artefact {folder / WEIGHTS}: {error}; export the run again") from None
    arrays = {name: decode(name, form, stored) for name, form in forms.items()}
    return Packed(arrays, storage), card


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by name as safetensors, whole or not at all."""
    from safetensors.numpy import save

    write_bytes(path, save({n: np.asarray(a, order="C") for n, a in sorted(arrays.items())}))


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


def _card(path: Path) -> dict[str, Any]:
    """A card whose seal is whole and whose bytes are those that were written."""
    try:
        text = path.read_bytes().decode()
        card = json.loads(text, parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ArtefactError(f"artefact {path} cannot be read ({reason}); export it again") from None
    if not isinstance(card, dict):
        raise ArtefactError(f"artefact {path} is no object; export it again")
    if card.get("format") != FORMAT:
        raise ArtefactError(
            f"artefact {path} has format {card.get('format')!r}, this package reads {FORMAT}; "
            "repeat the run, or use the version of efficient-jax that wrote it"
        )
    card.pop("seal", None)
    if text != _text(card):
        raise ArtefactError(_changed(path))
    return card


def _text(card: dict[str, Any]) -> str:
    """The card as it is written, its seal first: a line for each member of each member."""
    lines = []
    for name, value in {"seal": digest_json(card), **card}.items():
        text = _line(value)
        if isinstance(value, dict) and value:
            members = (f"  {_line(key)}: {_line(member)}" for key, member in value.items())
            text = "{\n" + ",\n".join(members) + "\n }"
        lines.append(f" {_line(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _line(value: Any) -> str:
    return json.dumps(value)


def _brief(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their default."""
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    }


def _verify(path: Path, sha256: str) -> None:
    try:
        same = digest_file(path) == sha256
    except OSError as error:
        raise ArtefactError(f"artefact {path} cannot be read: {error}; export it again") from None
    if not same:
        raise ArtefactError(_changed(path))


def _changed(path: Path) -> str:
    return (
        f"artefact {path} has another digest than it was sealed with; it is damaged or changed, "
        "export the run again"
    )
