"""`efficient sample`: text from a trained language model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from efficient.cli.failure import UsageError
from efficient.cli.output import document
from efficient.ledger.record import Record
from efficient.ledger.store import find_run, read_record


def sample(arguments: argparse.Namespace) -> int:
    """Go on from --prompt by --length tokens."""
    record = read_record(find_run(arguments.out, arguments.run))
    if record.data.unit == "image":
        raise UsageError(f"{record.run_id} learned {record.workload}, which is no text")
    vocabulary = Vocabulary(record)
    prompt = vocabulary.encode(arguments.prompt)
    text = vocabulary.decode(_generate(record, prompt, arguments))
    if arguments.json:
        document({"run_id": record.run_id, "prompt": arguments.prompt, "text": text})
    else:
        print(text)
    return 0


class Vocabulary:
    """The byte that each token stands for: the record's own table, or the byte itself."""

    def __init__(self, record: Record) -> None:
        listed = record.data.details.get("vocabulary")
        self._bytes: list[int] = json.loads(listed) if listed else list(range(256))
        self._run = record.run_id

    def encode(self, text: str) -> list[int]:
        """Tokens of a text.

        Raises:
            UsageError: no token, or a character that the model has never seen.
        """
        number = {byte: token for token, byte in enumerate(self._bytes)}
        for character in text:
            if any(byte not in number for byte in character.encode()):
                raise UsageError(f"--prompt has {character!r}, which {self._run} has never seen")
        if not text:
            raise UsageError("--prompt is empty; give at least one character")
        return [number[byte] for byte in text.encode()]

    def decode(self, tokens: list[int]) -> str:
        return bytes(self._bytes[token] for token in tokens).decode(errors="replace")


def _generate(record: Record, prompt: list[int], arguments: argparse.Namespace) -> list[int]:
    import jax
    import jax.numpy as jnp

    from efficient.models.generation import generate
    from efficient.models.signature import Signature
    from efficient.run.parent import load

    signature = Signature(record.input_shape, record.classes, "text")
    apply, weights = load(Path(arguments.out), record.run_id, signature, "run")
    made = generate(
        lambda tokens: apply(weights, tokens),
        jnp.asarray([prompt], jnp.int32),
        arguments.length,
        jax.random.key(arguments.seed),
        context=record.input_shape[0],
        temperature=arguments.temperature,
    )
    return [int(token) for token in made[0]]
