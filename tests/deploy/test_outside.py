"""The program of docs/artefact.md, in a process in which this package cannot be imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import DIGITS, QUANTIZE, TEXT

from efficient.data import load as load_data
from efficient.deploy import ArtefactError, load
from efficient.deploy.export import export_run

DOCUMENT = Path(__file__).parents[2] / "docs" / "artefact.md"
#: Refuses what the program must not need, then runs it.
OUTSIDE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("efficient", "flax", "optax", "orbax"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def program() -> str:
    found = re.search(
        r"^```python title=run_artefact.py\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S
    )
    assert found is not None
    return found[1]


def outside(folder, artefact, inputs, targets):
    """The accuracy that the program prints, and its logits."""
    (folder / "run_artefact.py").write_text(program())
    np.savez(folder / "test.npz", inputs=inputs, targets=targets)
    words = [sys.executable, "-c", OUTSIDE, "run_artefact.py", str(artefact), "test.npz"]
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["accuracy"], np.load(folder / "logits.npy")


def raw_test_split(config):
    """Inputs and targets of the test split as the dataset has them."""
    workload, dataset = config.workload, load_data(config.workload.data)
    if workload.unit == "image":
        split = dataset.splits["test"]
        return split["inputs"], split["targets"]
    index = np.arange(workload.examples(dataset, "test"))
    batch = workload.window(workload.arrays(dataset, "test"), index)
    return np.asarray(batch.inputs), np.asarray(batch.targets)


def replaced(config, *variants):
    import dataclasses

    return dataclasses.replace(config, variants=variants)


@pytest.mark.parametrize(
    "config",
    [DIGITS, replaced(DIGITS, QUANTIZE), TEXT],
    ids=["digits", "digits in integers", "text"],
)
def test_a_process_without_this_package_gets_the_same_outputs(config, trained, tmp_path):
    record = trained(config)
    made = export_run(record.run_id, trained.out, tmp_path / "shipped")
    assert made.difference < 1e-6
    inputs, targets = raw_test_split(config)
    accuracy, logits = outside(tmp_path, made.folder, inputs, targets)
    assert accuracy == pytest.approx(record.scores["artefact"].accuracy, abs=1e-9)
    artefact = load(made.folder)
    fed = inputs
    if config.workload.unit == "image":
        how = artefact.card["preprocessing"]
        mean, std = (np.array(how[name], np.float32) for name in ("mean", "std"))
        fed = (inputs.astype(np.float32) / np.float32(how["divisor"]) - mean) / std
    wanted = jax.jit(artefact.predict)(artefact.weights, fed)
    np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-6)


def test_the_card_says_where_it_comes_from(trained, tmp_path):
    record = trained(DIGITS)
    made = export_run(record.run_id, trained.out, tmp_path / "shipped")
    card = load(made.folder).card
    assert card["scores"]["artefact"]["accuracy"] == record.scores["artefact"].accuracy
    assert card["costs"]["train_s"] == record.cost.train_s
    assert card["costs"]["flops_executed"] == record.cost.flops_executed
    assert card["costs"]["energy_j"] is not None or card["costs"]["unknown"]["energy_j"]
    assert card["config"] == json.loads(json.dumps(record.config))
    assert card["data"]["fingerprint"] == record.data.fingerprint
    assert card["lineage"] == []
    document = DOCUMENT.read_text()
    assert [name for name in card if f"`{name}`" not in document] == []
    assert [name for name in made.sizes if f"`{name}`" not in document] == []


def test_an_exported_folder_is_not_exported_again(trained, tmp_path):
    made = export_run(trained(DIGITS).run_id, trained.out, tmp_path / "shipped")
    with pytest.raises(ArtefactError, match="is exported already"):
        export_run(made.folder, trained.out, tmp_path / "again")
    assert not (tmp_path / "again").exists()
