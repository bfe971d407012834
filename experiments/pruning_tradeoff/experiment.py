"""What does a pruned network cost, and is a small dense one better at the same cost?

Compressions of 2 to 32 of LeNet-300-100 on MNIST, and of nanoGPT's CPU setting, 500 iterations, on
tiny_shakespeare. Controls as in Blalock et al. 2020 (arXiv 2003.03033) and Dehghani et al. 2021
(arXiv 2110.12894): random pruning, and small dense networks at equal non-zeros, at equal executed
FLOPs and at equal time.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.variants import Dynamic, Prune, Remove, Variant

COMPRESSIONS = (2, 4, 8, 16, 32)
MNIST = dataclasses.replace(load_preset("mnist_mlp"), train_for="10 epochs", evaluations=2)
SHAKESPEARE = dataclasses.replace(
    load_preset("shakespeare_gpt"), train_for="500 steps", evaluations=2
)
CIFAR = dataclasses.replace(load_preset("cifar10_resnet"), train_for="60 epochs")
NANOGPT = load_preset("shakespeare_gpt_gpu")

#: Hidden sizes of perceptrons with as many weights as LeNet-300-100 has non-zeros.
HIDDEN = {2: (158, 53), 4: (82, 27), 8: (42, 14), 16: (21, 7), 32: (11, 4)}
#: Widths of GPTs whose blocks have as many weights as those of width 128 have non-zeros.
WIDTHS = {2: 92, 4: 64, 8: 44, 16: 32, 32: 24}
#: The same of width 384 with 6 heads, and of the stages of ResNet-20.
WIDTHS_LARGE = {2: 270, 4: 192, 8: 138, 16: 96, 32: 66}
STAGES = {2: (11, 23, 45), 4: (8, 16, 32), 8: (6, 11, 23), 16: (4, 8, 16), 32: (3, 6, 11)}
#: Removal stops at one head of a block: compressions of the blocks that it can reach.
HEADS = {1.3: 0.25, 2: 0.5, 4: 0.75, 6: 0.875, 7: 0.9375}
#: A small network that is trained as long as a large one has more to do.
LONGER = 1.5


def arm(label: str, config: Config, *variants: Variant, minutes: float, **more) -> Arm:
    return Arm(label, dataclasses.replace(config, variants=variants), minutes=minutes, **more)


def masks(config: Config, minutes: float, *methods: str) -> list[Arm]:
    """Masked networks of every compression."""
    made = {
        "magnitude": lambda s: Prune(s),
        "random": lambda s: Prune(s, criterion="random"),
        "SNIP": lambda s: Prune(s, criterion="snip", scope="global", schedule="static"),
        "RigL": lambda s: Dynamic(s),
    }
    return [
        arm(f"{method} @ {c}x", config, made[method](1 - 1 / c), minutes=minutes)
        for method in methods
        for c in COMPRESSIONS
    ]


def small_dense(sizes: dict, config: Config, minutes: float, longer: bool = True) -> list[Arm]:
    """Small networks at equal non-zeros, and trained until they cost what the masked ones did."""
    made = []
    for c, spec in sizes.items():
        small = dataclasses.replace(config, model=spec)
        made.append(arm(f"small dense @ {c}x", small, minutes=minutes))
        for name, column in (("FLOPs", "flops_executed"), ("time", "train_s")) if longer else ():
            label = f"small dense, equal {name} @ {c}x"
            same = (column, f"magnitude @ {c}x")
            made.append(arm(label, small, minutes=LONGER * minutes, as_long_as=same))
    return made


def removed(config: Config, minutes: float, shares: dict, name: str) -> list[Arm]:
    """Whole units gone, from 30 % of the run on."""
    return [
        arm(f"{name} @ {c}x", config, Remove(share), minutes=minutes) for c, share in shares.items()
    ]


def mnist() -> list[Arm]:
    sizes = {c: MLPSpec(hidden=hidden) for c, hidden in HIDDEN.items()}
    shares = {c: 1 - hidden[0] / 300 for c, hidden in HIDDEN.items()}
    return [
        arm("baseline", MNIST, minutes=0.2),
        *masks(MNIST, 0.2, "magnitude", "random", "SNIP", "RigL"),
        *removed(MNIST, 0.2, shares, "L1 neurons"),
        *small_dense(sizes, MNIST, 0.15),
    ]


def shakespeare() -> list[Arm]:
    model = SHAKESPEARE.model
    sizes = {
        c: dataclasses.replace(model, width=width, hidden=4 * width) for c, width in WIDTHS.items()
    }
    blocks = dict.fromkeys(("weights",), "block_*")
    made = [
        arm("baseline", SHAKESPEARE, minutes=0.6),
        *(
            arm(f"{name} @ {c}x", SHAKESPEARE, variant, minutes=0.6)
            for name, criterion in (("magnitude", "magnitude"), ("random", "random"))
            for c in COMPRESSIONS
            for variant in [Prune(1 - 1 / c, criterion=criterion, **blocks)]
        ),
        *removed(SHAKESPEARE, 0.5, HEADS, "heads and neurons"),
        *small_dense(sizes, SHAKESPEARE, 0.4, longer=False),
    ]
    return [dataclasses.replace(one, seeds=2) for one in made]


def large() -> list[Arm]:
    """ResNet-20 on CIFAR-10 and nanoGPT's GPU setting."""
    stages = {c: ResNetSpec(widths=widths) for c, widths in STAGES.items()}
    heads = NANOGPT.model.heads
    widths = {
        c: GPTSpec(depth=6, width=w, heads=heads, hidden=4 * w, dropout=0.2)
        for c, w in WIDTHS_LARGE.items()
    }
    channels = {c: 1 - 1 / c for c in COMPRESSIONS}
    return [
        arm("baseline", CIFAR, minutes=3),
        *masks(CIFAR, 3, "magnitude", "random", "SNIP", "RigL"),
        *removed(CIFAR, 3, channels, "L1 channels"),
        *small_dense(stages, CIFAR, 3),
        arm("baseline", NANOGPT, minutes=3),
        *masks(NANOGPT, 3, "magnitude", "random"),
        *removed(NANOGPT, 3, HEADS, "heads and neurons"),
        *small_dense(widths, NANOGPT, 3),
    ]


experiment = Experiment(
    title="Pruning: quality against what is left, and against small dense networks",
    arms=(*mnist(), *shakespeare()),
    seeds=3,
    scales=(("gpu", tuple(large())),),
)
