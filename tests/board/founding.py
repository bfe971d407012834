"""Rules of a small board, with every kind of thing in them."""

from __future__ import annotations

from pathlib import Path

RULES = """
version = 2
title = "A test"
runs = 3
level = 0.05

[hardware.cpu]
platform = "cpu"

[hardware.gpu]
platform = "gpu"

[tracks.open]
about = "Any network."
ranked_by = "flops_executed"
kinds = ["configuration", "code"]

[tracks.fixed]
about = "One network."
ranked_by = "stored_bytes"
fixed_model = true

[tracks.first]
about = "All that it needed, on a CPU."
ranked_by = "flops_executed"
lineage = "full"
hardware = ["cpu"]
limits = { total_s = 3600.0 }

[tracks.gpu]
about = "On a GPU."
ranked_by = "train_s"
hardware = ["gpu"]

[targets.digits]
about = "Digits, a little."
quality = "accuracy"
value = 0.2
workload = { type = "images", data = "digits" }
model = { type = "mlp", hidden = [16] }
tracks = ["open", "fixed", "first", "gpu"]

[targets.later]
about = "Not set."
quality = "loss"
rule = "mean loss of the baseline"
workload = { type = "images", data = "digits" }
tracks = ["open"]
"""


def make_board(folder: Path, rules: str = RULES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.toml").write_text(rules)
    return folder
