"""Runs of the suite's own parts that fill the board: at what cost is each target reached?

A target's baseline, and beside it what claims to reach the target for less.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.lenet import LeNet5Spec
from efficient.variants import Precision, Quantize

DIGITS, MNIST, SHAKESPEARE, CIFAR = map(
    load_preset, ("digits_mlp", "mnist_cnn", "shakespeare_gpt", "cifar10_resnet")
)
#: LeNet-5 with half of its channels and units.
HALF = LeNet5Spec(channels=(3, 8), hidden=(60, 42))


def short(config: Config, length: str) -> Config:
    """The same recipe over fewer epochs; its schedule ends there."""
    return dataclasses.replace(config, train_for=length)


experiment = Experiment(
    title="Targets of the board, and what reaching them takes",
    arms=(
        Arm("perceptron", DIGITS, minutes=0.1),
        Arm("perceptron, 15 epochs", short(DIGITS, "15 epochs"), minutes=0.1),
        Arm("LeNet-5, 2 epochs", short(MNIST, "2 epochs"), minutes=0.8),
        Arm(
            "half a LeNet-5, 4 bits",
            dataclasses.replace(short(MNIST, "4 epochs"), model=HALF, variants=(Quantize(bits=4),)),
            minutes=1.5,
        ),
        Arm("GPT", SHAKESPEARE, minutes=2.5),
        Arm(
            "GPT in bf16",
            dataclasses.replace(SHAKESPEARE, variants=(Precision(),)),
            minutes=2.0,
        ),
        Arm("LeNet-5", MNIST, minutes=2.5),
        Arm(
            "ResNet-20, 3 epochs",
            dataclasses.replace(short(CIFAR, "3 epochs"), evaluations=3),
            minutes=9.0,
        ),
    ),
    seeds=3,
)
