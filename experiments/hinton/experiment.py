"""Does distillation pass on what a regularised teacher knows? (Hinton et al. 2015, section 3)

A teacher of 784-1200-1200-10 with dropout, on images shifted by up to two pixels; a student of
784-800-800-10 without either, on hard labels or on the teacher's soft ones at temperature 20.
Printed there: 67 errors of the teacher, 146 and 74 of the student (arXiv 1503.02531).
"""

import dataclasses

from efficient import Config
from efficient.experiment import Arm, Experiment
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Distill
from efficient.workloads import ImageClassification

TEACHER = Config(
    workload=ImageClassification(data="mnist", crop=2),
    model=MLPSpec(hidden=(1200, 1200), dropout=0.5, input_dropout=0.2),
    optimizer=Optimizer(
        name="sgd", lr=0.1, momentum=0.9, nesterov=True, schedule=Schedule("linear")
    ),
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
SOFT = Distill(temperature=20.0, mix=1.0, stored=True)

experiment = Experiment(
    title="Hinton's MNIST distillation: 67, 146 and 74 errors",
    arms=(
        Arm("teacher", TEACHER, seeds=1, minutes=14),
        Arm("hard student", STUDENT, minutes=3, reference="teacher"),
        Arm(
            "soft student",
            dataclasses.replace(STUDENT, variants=(SOFT,)),
            teacher="teacher",
            minutes=3,
        ),
    ),
    seeds=3,
)
