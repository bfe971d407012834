"""Does distillation pass on what a regularised teacher knows? (Hinton et al. 2015, section 3)

A teacher of 784-1200-1200-10 with dropout, on images shifted by up to two pixels; a student of
784-800-800-10 without either, on hard labels or on the teacher's soft ones at temperature 20.
Printed there: 67 errors of the teacher, 146 and 74 of the student (arXiv 1503.02531).

Both students get the same search: three learning rates, one seed, ten epochs, the least error on
validation. Its runs are arms, so that they are charged. The soft loss is steeper by the size of the
teacher's logits, so that its rates are lower.
"""

import dataclasses

from efficient import Config
from efficient.experiment import Arm, Experiment
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Distill
from efficient.workloads import ImageClassification

LINEAR = Schedule("linear")
TEACHER = Config(
    workload=ImageClassification(data="mnist", crop=2),
    model=MLPSpec(hidden=(1200, 1200), dropout=0.5, input_dropout=0.2),
    optimizer=Optimizer(name="adam", lr=1e-3, schedule=LINEAR),
    train_for="60 epochs",
    batch_size=100,
    evaluations=6,
    eval_batch_size=1000,
)
STUDENT = dataclasses.replace(
    TEACHER,
    workload=ImageClassification(data="mnist"),
    model=MLPSpec(hidden=(800, 800)),
    train_for="40 epochs",
    evaluations=4,
)
SOFT = (Distill(temperature=20.0, mix=1.0, stored=True),)
#: Learning rates that are searched, and those that were found.
RATES = {"hard": (0.1, 0.03, 0.01), "soft": (0.03, 0.01, 0.003)}
FOUND = {"hard": 0.1, "soft": 0.01}


def student(labels: str, rate: float, label: str, **more) -> Arm:
    """A student on hard labels or on the teacher's."""
    optimizer = Optimizer(name="sgd", lr=rate, momentum=0.9, nesterov=True, schedule=LINEAR)
    made = dataclasses.replace(STUDENT, optimizer=optimizer)
    if labels == "hard":
        return Arm(label, made, reference="teacher", **more)
    return Arm(label, dataclasses.replace(made, variants=SOFT), teacher="teacher", **more)


def search(labels: str, rate: float) -> Arm:
    made = student(labels, rate, f"search, {labels} @ {rate:g}", seeds=1, minutes=1)
    config = dataclasses.replace(made.config, train_for="10 epochs", evaluations=1)
    return dataclasses.replace(made, config=config)


experiment = Experiment(
    title="Hinton's MNIST distillation: 67, 146 and 74 errors",
    arms=(
        Arm("teacher", TEACHER, seeds=1, minutes=12),
        *(search(labels, rate) for labels, rates in RATES.items() for rate in rates),
        *(student(labels, FOUND[labels], f"{labels} student", minutes=3) for labels in RATES),
    ),
    seeds=3,
)
