"""Does a teacher pay, at which size of the student?

Five sizes of students: alone, taught by the large network, and taught by a network of their own
size (Furlanello et al. 2018, arXiv 1805.04770). LeNet-300-100 teaches on MNIST, nanoGPT's CPU
setting, 500 iterations, on tiny_shakespeare. The teacher's training is in the lineage's bill.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.variants import Distill

MNIST = dataclasses.replace(load_preset("mnist_mlp"), train_for="10 epochs", evaluations=2)
SHAKESPEARE = dataclasses.replace(
    load_preset("shakespeare_gpt"), train_for="500 steps", evaluations=2
)
CIFAR = dataclasses.replace(load_preset("cifar10_resnet"), train_for="60 epochs")
NANOGPT = load_preset("shakespeare_gpt_gpu")

#: Compressions of LeNet-300-100, of GPTs of width 128 and 384, and of ResNet-20.
HIDDEN = {2: (158, 53), 4: (82, 27), 8: (42, 14), 16: (21, 7), 32: (11, 4)}
WIDTHS = {2: 92, 4: 64, 8: 44, 16: 32, 32: 24}
WIDTHS_LARGE = {2: 270, 4: 192, 8: 138, 16: 96, 32: 66}
STAGES = {2: (11, 23, 45), 4: (8, 16, 32), 8: (6, 11, 23), 16: (4, 8, 16), 32: (3, 6, 11)}


def gpts(config: Config, widths: dict[int, int]) -> dict[int, object]:
    return {c: dataclasses.replace(config.model, width=w, hidden=4 * w) for c, w in widths.items()}


def arms(config: Config, students: dict, minutes: float, seeds: int) -> list[Arm]:
    def arm(label: str, made: Config, **more) -> Arm:
        return Arm(label, made, seeds=seeds, minutes=minutes, **more)

    made = [arm("baseline", config)]
    for c, spec in students.items():
        student = dataclasses.replace(config, model=spec)
        taught = dataclasses.replace(student, variants=(Distill(temperature=4.0, mix=0.7),))
        alone = f"alone @ {c}x"
        made += [
            arm(alone, student, reference="baseline"),
            arm(f"distilled @ {c}x", taught, teacher="baseline"),
            arm(f"self-distilled @ {c}x", taught, teacher=alone, reference="baseline"),
        ]
    return made


experiment = Experiment(
    title="Distillation: quality against the student's size, alone, taught, and taught by itself",
    arms=(
        *arms(MNIST, {c: MLPSpec(hidden=h) for c, h in HIDDEN.items()}, 0.2, seeds=3),
        *arms(SHAKESPEARE, gpts(SHAKESPEARE, WIDTHS), 0.6, seeds=2),
    ),
    seeds=3,
    scales=(
        (
            "gpu",
            (
                *arms(CIFAR, {c: ResNetSpec(widths=w) for c, w in STAGES.items()}, 3, seeds=3),
                *arms(NANOGPT, gpts(NANOGPT, WIDTHS_LARGE), 3, seeds=2),
            ),
        ),
    ),
)
