"""Do lottery tickets match the dense network, and do they need their own weights?

LeNet-300-100 on MNIST as in Frankle and Carbin 2019 (arXiv 1803.03635): iterative magnitude
pruning, 20 % of the survivors a round and half of that in the output layer, back to the initial
weights. Controls: the ticket's mask, and as many weights at random places, with fresh weights.
Trainings are 6,000 iterations of 60 images in place of 50,000; tickets stop at about 4,000.
"""

import dataclasses

from efficient import Config
from efficient.experiment import Arm, Experiment
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Lottery, Ticket, Variant
from efficient.workloads import ImageClassification

STEPS = 6000
#: Percent of the weights that are left after so many rounds.
LADDER = {3: 51.3, 7: 21.1, 9: 13.5, 15: 3.58, 20: 1.19}
DENSE = Config(
    workload=ImageClassification(data="mnist"),
    model=MLPSpec(hidden=(300, 100)),
    optimizer=Optimizer(name="adam", lr=1.2e-3, schedule=Schedule("constant")),
    train_for=f"{STEPS} steps",
    batch_size=60,
    evaluations=12,
    eval_batch_size=1000,
    select="best",
)


def arms() -> list[Arm]:
    made = [Arm("baseline", DENSE, minutes=0.3)]
    for rounds, percent in LADDER.items():
        ticket = f"ticket @ {percent} %"
        search = dataclasses.replace(
            DENSE,
            variants=(Lottery(sparsity=1 - percent / 100, rounds=rounds),),
            train_for=f"{STEPS * (rounds + 1)} steps",
            evaluations=DENSE.evaluations * (rounds + 1),
        )
        made.append(Arm(ticket, search, minutes=0.2 * (rounds + 1)))
        for control, name in (("reinit", "fresh weights"), ("shuffle", "random places")):
            variants: tuple[Variant, ...] = (Ticket(control),)
            config = dataclasses.replace(DENSE, variants=variants)
            made.append(Arm(f"{name} @ {percent} %", config, start=ticket, minutes=0.3))
    return made


experiment = Experiment(
    title="Lottery tickets: the mask, or the weights under it?", arms=tuple(arms()), seeds=3
)
