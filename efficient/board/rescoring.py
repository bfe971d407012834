"""The shipped files of an entry, scored again on test by the suite's own code.

The network is rebuilt from the config that was validated; of the entry only arrays are read, from
safetensors whose header was bounded first. What an artefact says of its own model is not used.
"""

from __future__ import annotations

import http.client
import math
import re
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from efficient.board.configuration import FAULTS, Decoded
from efficient.board.document import read_object
from efficient.board.entry import ARTEFACTS, Opened
from efficient.board.error import BoardError, quoted
from efficient.board.recount import Counted
from efficient.config import untyped
from efficient.cost.bits import bit_operations
from efficient.cost.flops import count
from efficient.deploy import format, unpack
from efficient.deploy.format import CARD, WEIGHTS
from efficient.ledger.codec import to_dict
from efficient.ledger.record import File, Record, Score
from efficient.ledger.store import digest_file
from efficient.models.network import NETWORKS
from efficient.run.build import split_evaluation
from efficient.workloads import score

#: Bytes of a header of safetensors; of a network of 10,000 arrays it has about one million.
MOST_HEADER = 10**7
#: An artefact may hold so many numbers beside the parameters: steps of integers.
SPARE = 1_000_000
#: Another machine adds in another order: one example in a thousand, a thousandth of the loss.
ACCURACY_APART, LOSS_APART = 0.001, 0.001
#: Seconds that a server may be silent, and bytes a second that it must come to beyond those.
PATIENCE_S, SLOWEST = 60, 100_000
#: An address that may be asked for: printable ASCII without a space, as of any URL.
ADDRESS = re.compile(r"https://[!-~]+")


@dataclass(frozen=True)
class Shipped:
    """What an artefact computes: `predict(weights, inputs)`, and what it scored on test here."""

    predict: Callable[..., Any]
    weights: dict[str, jax.Array]
    score: Score


def rescore(
    opened: Opened,
    decoded: Mapping[str, Decoded],
    counted: Mapping[str, Counted],
    folder: Path | None = None,
    fetch: bool = False,
) -> list[Shipped]:
    """Every run's artefact, whose score is found to be what is claimed.

    folder: a local copy of the artefacts that lie elsewhere; fetch: get them from their addresses.

    Raises:
        BoardError: one is missing, is not the network's, or scores, weighs or computes otherwise.
    """
    found = []
    for record in opened.runs:
        with tempfile.TemporaryDirectory(prefix="efficient-artefact-") as temporary:
            place = Path(temporary)
            for name in (WEIGHTS, CARD):
                _bring(opened, f"{ARTEFACTS}/{record.run_id}/{name}", place / name, folder, fetch)
            try:
                one, numbers = decoded[record.run_id], counted[record.run_id].params_total
                found.append(_rescore(place, one, numbers))
            except BoardError as error:
                raise BoardError(f"artefact of {record.run_id}: {error}") from None
            except (*FAULTS, OSError, MemoryError) as error:
                raise BoardError(f"artefact of {record.run_id}: {error}") from None
    return found


def header(path: Path) -> None:
    """Refuse safetensors whose header is longer than any of ours or than its file.

    Raises:
        BoardError: it is.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(MOST_HEADER, size - 8):
        raise BoardError(f"{path.name} of {size:,} bytes has a header of {length:,}")


def _rescore(place: Path, one: Decoded, params_total: int) -> Shipped:
    header(place / WEIGHTS)
    _check_card(place, one, params_total)
    packed, _ = format.read(place)
    predict, weights = unpack(lambda: one.spec.build(one.signature, nnx.Rngs(0)), packed)
    stored = sum((place / name).stat().st_size for name in (WEIGHTS, CARD))
    kind = "int32" if one.signature.kind == "text" else "float32"
    example = jax.ShapeDtypeStruct((1, *one.signature.input_shape), kind)
    jaxpr = jax.make_jaxpr(predict)(weights, example)
    counted = {
        "stored_bytes": stored,
        "stored_weight_bytes": packed.weight_bytes,
        "flops_inference": count(jaxpr, padded=True, platform="default").total,
        "bit_operations": bit_operations(jaxpr),
    }
    for name, value in counted.items():
        if (claimed := getattr(one.record.cost, name)) != value:
            raise BoardError(f"{name} {claimed} is claimed, the file has {value}")
    evaluation = split_evaluation(
        one.config, one.dataset, "test", lambda w, batch: score(predict(w, batch.inputs), batch)
    )
    evaluation.prepare(weights)
    loss, correct, units = (float(x.sum(dtype=np.float64)) for x in evaluation.run(weights))
    found = Score(loss / units, correct / units, round(units))
    _compare(one.record, found)
    return Shipped(predict, weights, found)


def _check_card(place: Path, one: Decoded, params_total: int) -> None:
    """The card names no other file and no network but the config's, of no more numbers."""
    card = read_object(place / CARD, 4 * 10**6)
    files, arrays = card.get("files"), card.get("arrays")
    if not isinstance(files, dict) or set(files) != {WEIGHTS}:
        raise BoardError(f"its card names the files {quoted(sorted(files or ()))}, not {WEIGHTS}")
    if card.get("model") != to_dict(untyped(NETWORKS, one.spec)):
        raise BoardError("its card is of another network than the config")
    if card.get("signature") != to_dict(one.signature):
        raise BoardError("its card is of other inputs or classes than the data")
    if not isinstance(arrays, dict):
        raise BoardError(f"its card describes no arrays (arrays: {quoted(arrays)})")
    try:
        shapes = [form["shape"] for form in arrays.values()]
        numbers = sum(math.prod(shape) for shape in shapes)
        smallest = min((size for shape in shapes for size in shape), default=0)
    except (KeyError, TypeError) as error:
        raise BoardError(f"its card describes no arrays ({error})") from None
    if smallest < 0 or numbers > params_total + SPARE:
        raise BoardError(f"its arrays have {numbers:,} numbers, the network {params_total:,}")


def _compare(record: Record, found: Score) -> None:
    claimed = record.scores["artefact"]
    apart = abs(found.accuracy - claimed.accuracy)
    near = math.isclose(found.loss, claimed.loss, rel_tol=LOSS_APART, abs_tol=1e-6)
    if apart > max(ACCURACY_APART, 1.5 / found.units) or not near:
        raise BoardError(
            f"it scores accuracy {found.accuracy:.4f}, loss {found.loss:.4f} on test; "
            f"{claimed.accuracy:.4f} and {claimed.loss:.4f} are claimed"
        )


def _bring(opened: Opened, name: str, to: Path, folder: Path | None, fetch: bool) -> None:
    """A file of the entry, from it, from a local copy, or from its address; with its digest."""
    file = opened.entry.files.get(name)
    if file is None:
        raise BoardError(f"{name} is not in the entry: what is not shipped cannot be scored again")
    address = opened.entry.elsewhere.get(name)
    if address is None:
        shutil.copyfile(opened.path(name), to)
    elif folder is not None:
        if not (folder / name).is_file():
            raise BoardError(f"{name} is not in {folder}")
        shutil.copyfile(folder / name, to)
    elif fetch:
        _fetch(address, file, to)
    else:
        raise BoardError(f"{name} lies elsewhere: give --fetch, or --artefacts with a copy")
    if to.stat().st_size != file.bytes or digest_file(to) != file.sha256:
        raise BoardError(f"{name} has another digest than it was sealed with")


def _fetch(address: str, file: File, to: Path) -> None:
    """What lies there, within a time that no server can stretch by sending a byte now and then."""
    if not ADDRESS.fullmatch(address):
        raise BoardError(f"{quoted(address, 80)} is no https address in plain ASCII")
    faults: list[Exception] = []

    def work() -> None:
        try:
            _download(address, file, to)
        except (OSError, ValueError, http.client.HTTPException) as error:
            faults.append(error)

    thread = threading.Thread(target=work, daemon=True)
    limit = PATIENCE_S + file.bytes / SLOWEST
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise BoardError(f"{quoted(address, 80)} takes longer than {limit:.6g} s; use --artefacts")
    if faults:
        raise BoardError(f"{quoted(address, 80)} cannot be fetched: {faults[0]}")


def _download(address: str, file: File, to: Path) -> None:
    """As many bytes as were sealed, and not one more; over https, redirections included."""

    class Secure(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            if not ADDRESS.fullmatch(newurl):
                raise urllib.error.URLError(f"it leads to {quoted(newurl)}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.build_opener(Secure)
    with opener.open(address, timeout=PATIENCE_S) as answer, to.open("wb") as copy:
        left = file.bytes
        while left and (part := answer.read(min(left, 1 << 20))):
            copy.write(part)
            left -= len(part)
