"""What do models without a network reach on the same splits, and for how many seconds?

The baseline is the preset of a network: LeNet-300-100 on MNIST, the GPTs on text. A control that
leaves nothing to chance has one seed.
"""

from typing import Any

from efficient.config import Config, load_preset
from efficient.controls import Control
from efficient.controls.linear import Logistic
from efficient.controls.neighbours import Neighbours
from efficient.controls.ngram import NGram
from efficient.controls.tree import Boosting, Forest
from efficient.controls.vector import SVM
from efficient.experiment import Arm, Experiment

LENET, LENET_5 = load_preset("mnist_mlp"), load_preset("mnist_cnn")
SHAKESPEARE, PYSTDLIB = load_preset("shakespeare_gpt"), load_preset("pystdlib_gpt")


def control(beside: Config, model: Any, minutes: float, seeds: int | None = 1) -> Arm:
    """A control on the workload of a network."""
    return Arm(model.title, Control(beside.workload, model), minutes=minutes, seeds=seeds)


def counted(beside: Config) -> tuple[Arm, ...]:
    return tuple(control(beside, NGram(order), minutes=0.5) for order in range(1, 6))


experiment = Experiment(
    title="Controls: what a network has to beat",
    arms=(
        Arm("baseline", LENET, minutes=1),
        Arm("LeNet-5", LENET_5, minutes=3),
        control(LENET, Neighbours(neighbours=3), minutes=1),
        control(LENET, Logistic(iterations=200), minutes=2),
        control(LENET, Forest(trees=300), minutes=2, seeds=None),
        control(LENET, Boosting(iterations=200), minutes=20),
        control(LENET, SVM(c=5.0, gamma=0.05), minutes=15),
        Arm("baseline", SHAKESPEARE, minutes=3),
        *counted(SHAKESPEARE),
        Arm("baseline", PYSTDLIB, minutes=9, seeds=1),
        *counted(PYSTDLIB),
    ),
    seeds=3,
)
