"""What runs inside the isolation: train an entry's config with its own code, and predict.

    python -m efficient.board.guest /given

The folder has `config.json`, `code/` and `data/`: every split, the labels of the test split left
out. The logits of the test split are written to the output as raw float32.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

#: What the folder holds.
CONFIG, CODE, DATA, FACTS = "config.json", "code", "data", "facts.json"


def main(given: Path) -> None:
    """Logits of every test input, (examples, classes), to the output that it began with."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the code prints goes to the errors
    sys.path.insert(0, str(given / CODE))

    import jax
    from flax import nnx

    from efficient.config import from_json
    from efficient.deploy import read, unpack
    from efficient.models.signature import Signature
    from efficient.run import train
    from efficient.run.build import split_evaluation
    from efficient.run.parent import shipped_spec

    config, dataset = from_json(json.loads((given / CONFIG).read_text())), _dataset(given / DATA)
    out = Path(tempfile.mkdtemp())
    record = train(config, out, dataset=dataset)
    shape, classes = config.workload.signature(dataset)
    signature = Signature(shape, classes, dataset.kind)
    packed, _ = read(out / record.run_id / "artefact")
    predict, weights = unpack(lambda: shipped_spec(record).build(signature, nnx.Rngs(0)), packed)
    every = split_evaluation(config, dataset, "test", lambda w, batch: predict(w, batch.inputs))
    every.prepare(weights)
    logits = np.asarray(jax.device_get(every.run(weights)), np.float32)
    with output:
        output.write(np.ascontiguousarray(logits).tobytes())


def _dataset(folder: Path) -> Any:
    from efficient.data import Dataset

    facts = json.loads((folder / FACTS).read_text())
    splits = {
        split: {name: np.load(folder / f"{split}.{name}.npy", allow_pickle=False) for name in names}
        for split, names in facts.pop("arrays").items()
    }
    return Dataset(splits=splits, **facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
