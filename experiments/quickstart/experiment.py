"""Baseline, pruned, quantized and distilled models of two modalities through one loop."""

import dataclasses
from typing import Any

from efficient import Config
from efficient.experiment import Arm, Experiment, LogUniform
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Distill, Prune, Quantize
from efficient.workloads import ImageClassification, LanguageModel

VISION = Config(
    workload=ImageClassification(data="digits"),
    model=MLPSpec(hidden=(300, 100)),
    optimizer=Optimizer(name="adamw", lr=3e-3, weight_decay=1e-2),
    train_for="20 epochs",
    batch_size=64,
    evaluations=4,
    preset="quickstart",
)
LANGUAGE = Config(
    workload=LanguageModel(data="pystdlib", context=32, windows=256),
    model=GPTSpec(depth=2, width=96, heads=4, hidden=384, bias=False),
    optimizer=Optimizer(name="muon", lr=2e-2, momentum=0.95, schedule=Schedule(warmup=0.05)),
    train_for="200 steps",
    batch_size=16,
    evaluations=4,
    eval_batch_size=64,
    preset="quickstart",
)
WIDE_VISION = dataclasses.replace(VISION, model=MLPSpec(hidden=(800, 300)))
WIDE_LANGUAGE = dataclasses.replace(
    LANGUAGE,
    model=GPTSpec(depth=2, width=128, heads=4, hidden=512, bias=False),
    train_for="300 steps",
)


def arms(small: Config, wide: Config, seeds: int) -> tuple[Arm, ...]:
    """The teacher first, then the four rows; every row is a network of the same sizes."""

    rate = small.optimizer.lr
    space = {"optimizer.lr": LogUniform(rate / 10, rate * 10)}

    def arm(label: str, *variants, **needs: Any) -> Arm:
        config = dataclasses.replace(small, variants=variants)
        return Arm(label, config, seeds=seeds, minutes=0.2, space=space, **needs)

    return (
        Arm("teacher", wide, seeds=1, minutes=0.3, space=space),
        arm("baseline", reference="teacher"),
        arm("pruned", Prune(sparsity=0.8)),
        arm("quantized", Quantize(bits=8)),
        arm("distilled", Distill(temperature=2.0, mix=0.7), teacher="teacher"),
    )


experiment = Experiment(
    title="Accuracy against compute: two modalities, four ways to train",
    arms=(*arms(VISION, WIDE_VISION, seeds=3), *arms(LANGUAGE, WIDE_LANGUAGE, seeds=2)),
    seeds=3,
)
