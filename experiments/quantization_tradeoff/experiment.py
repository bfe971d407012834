"""How few bits, and does training with them pay?

Weights and activations of 8 to 2 bits: rounded after training (PTQ, by the largest magnitude and by
the least squared error) and in training (QAT), beside bfloat16 training. LeNet-300-100 on MNIST
and nanoGPT's CPU setting, 500 iterations, on tiny_shakespeare.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.variants import Precision, Quantize

BITS = (8, 6, 4, 3, 2)
MNIST = dataclasses.replace(load_preset("mnist_mlp"), train_for="10 epochs", evaluations=2)
SHAKESPEARE = dataclasses.replace(
    load_preset("shakespeare_gpt"), train_for="500 steps", evaluations=2
)
CIFAR = dataclasses.replace(load_preset("cifar10_resnet"), train_for="60 epochs")
NANOGPT = load_preset("shakespeare_gpt_gpu")


def arms(config: Config, minutes: float, seeds: int) -> list[Arm]:
    """Both ways at every width; PTQ starts from the baseline of its seed and trains nothing."""

    def arm(label: str, *variants, converts: bool = False) -> Arm:
        made = dataclasses.replace(config, variants=variants)
        if converts:
            made = dataclasses.replace(made, train_for="0 steps")
        start, spent = ("baseline", 0.15) if converts else ("", minutes)
        return Arm(label, made, start=start, seeds=seeds, minutes=spent)

    def grid(bits: int, method: str, clip: str = "absmax") -> Quantize:
        return Quantize(bits=bits, activations=bits, method=method, clip=clip)

    return [
        arm("baseline"),
        arm("bf16 training", Precision()),
        *(arm(f"PTQ @ {b} bits", grid(b, "ptq"), converts=True) for b in BITS),
        *(arm(f"PTQ, least error @ {b} bits", grid(b, "ptq", "mse"), converts=True) for b in BITS),
        *(arm(f"QAT @ {b} bits", grid(b, "qat")) for b in BITS),
    ]


experiment = Experiment(
    title="Quantization: quality against bits, after training and in training",
    arms=(*arms(MNIST, 0.3, seeds=3), *arms(SHAKESPEARE, 0.9, seeds=2)),
    seeds=3,
    scales=(("gpu", (*arms(CIFAR, 3, seeds=3), *arms(NANOGPT, 3, seeds=2))),),
)
