"""Runs of the suite's own parts for the board's targets on MNIST: the least that reaches them?"""

import dataclasses

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.lenet import LeNet5Spec
from efficient.variants import Quantize

LENET = load_preset("mnist_cnn")
#: LeNet-5 with half of its channels and units.
HALF = LeNet5Spec(channels=(3, 8), hidden=(60, 42))

experiment = Experiment(
    title="Targets of the board, and what reaching them takes",
    arms=(
        Arm("LeNet-5, 2 epochs", dataclasses.replace(LENET, train_for="2 epochs"), minutes=0.8),
        Arm(
            "half a LeNet-5, 4 bits",
            dataclasses.replace(
                LENET, model=HALF, variants=(Quantize(bits=4),), train_for="4 epochs"
            ),
            minutes=1.5,
        ),
    ),
    seeds=3,
)
