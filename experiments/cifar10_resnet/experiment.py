"""ResNet-20 on CIFAR-10 within ten epochs on a CPU."""

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment

experiment = Experiment(
    title="CIFAR-10: ResNet-20, ten epochs",
    arms=(Arm("baseline", load_preset("cifar10_resnet"), minutes=40.0),),
    seeds=1,
)
