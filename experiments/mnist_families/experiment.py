"""What do pruning, quantization and distillation cost on MNIST, and what do they save?"""

import dataclasses
from typing import Any

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.mlp import MLPSpec
from efficient.variants import Distill, Prune, Quantize

PERCEPTRON, CNN = load_preset("mnist_mlp"), load_preset("mnist_cnn")
#: A quarter of LeNet-300-100's parameters: 65,540 of 266,610.
STUDENT = dataclasses.replace(PERCEPTRON, model=MLPSpec(hidden=(80, 30)))


def arm(label: str, config: Config, *variants, minutes: float, **needs: Any) -> Arm:
    return Arm(label, dataclasses.replace(config, variants=variants), minutes=minutes, **needs)


experiment = Experiment(
    title="MNIST: pruned, quantized and distilled against their baselines",
    arms=(
        arm("LeNet-300-100", PERCEPTRON, minutes=0.7),
        arm("LeNet-5", CNN, minutes=2.5),
        arm("pruned 90 % uniform", PERCEPTRON, Prune(sparsity=0.9), minutes=0.8),
        arm("pruned 90 % global", PERCEPTRON, Prune(sparsity=0.9, scope="global"), minutes=0.8),
        arm("LeNet-5 int8", CNN, Quantize(bits=8), minutes=4.0),
        arm("student alone", STUDENT, minutes=0.5, reference="LeNet-300-100"),
        arm(
            "student distilled",
            STUDENT,
            Distill(temperature=4.0, mix=0.9),
            minutes=0.7,
            teacher="LeNet-300-100",
        ),
    ),
    seeds=3,
)
