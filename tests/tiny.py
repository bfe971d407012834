"""The smallest runs that still have everything: an image perceptron and a language model."""

from __future__ import annotations

from pathlib import Path

from efficient.config import Config
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer
from efficient.variants import Distill, Precision, Prune, Quantize
from efficient.workloads import ImageClassification, LanguageModel

STEPS = 24
#: Of `efficient train digits_mlp`, for the smallest run.
WORDS = ("--train-for", "20 steps", "--model.hidden", "16", "--evaluations", "2")

DIGITS = Config(
    workload=ImageClassification("digits"),
    model=MLPSpec(hidden=(16,)),
    optimizer=Optimizer(lr=5e-3),
    train_for=f"{STEPS} steps",
    batch_size=32,
    evaluations=3,
    chunk_steps=8,
)
TEXT = Config(
    workload=LanguageModel("pystdlib", context=16, windows=8),
    model=GPTSpec(depth=1, width=16, heads=2, hidden=32),
    optimizer=Optimizer(lr=5e-3),
    train_for=f"{STEPS} steps",
    batch_size=4,
    evaluations=3,
    eval_batch_size=4,
    chunk_steps=8,
)

PRUNE = Prune(sparsity=0.75, updates=4)
GLOBAL = Prune(sparsity=0.6, scope="global", updates=4)
ONE_SHOT = Prune(sparsity=0.5, schedule="one_shot", begin=1 / 3)
QUANTIZE = Quantize()
PRECISION = Precision()
NEUTRAL = (
    Prune(sparsity=0),
    Quantize(bits=32, activations=32),
    Precision("float32"),
    Distill(mix=0),
)


def write_preset(path: Path, config: Config) -> Path:
    """The config as the JSON that `efficient train` reads."""
    import json

    from efficient.config import to_json

    path.write_text(json.dumps(to_json(config)))
    return path
