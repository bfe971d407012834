"""Every method once, on digits or pystdlib: what its record looks like, not how good it is."""

import dataclasses

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.lenet import LeNet5Spec
from efficient.variants import (
    Distill,
    Dynamic,
    Lottery,
    Precision,
    Prune,
    Quantize,
    Remove,
)

IMAGES = dataclasses.replace(load_preset("digits_mlp"), train_for="10 epochs", evaluations=2)
TEXT = dataclasses.replace(load_preset("pystdlib_tiny"), evaluations=2)
CNN = dataclasses.replace(IMAGES, model=LeNet5Spec(channels=(16, 32)))


def arm(label: str, config, *variants, **more) -> Arm:
    made = dataclasses.replace(config, variants=variants)
    return Arm(label, made, seeds=1, minutes=0.15, **more)


def masked(label: str, **fields) -> Arm:
    return arm(label, IMAGES, Prune(**fields))


experiment = Experiment(
    title="Every method once",
    arms=(
        arm("baseline", IMAGES),
        masked("global magnitude", sparsity=0.9, scope="global"),
        masked("ERK magnitude", sparsity=0.9, scope="erk"),
        masked("GraSP", sparsity=0.9, criterion="grasp", scope="global", schedule="static"),
        masked("SynFlow", sparsity=0.9, criterion="synflow", scope="global", schedule="static"),
        masked("saliency", sparsity=0.9, criterion="saliency"),
        masked("2:4", pattern="2:4"),
        masked("4x4 blocks", sparsity=0.75, pattern="4x4", weights="hidden_*"),
        masked(
            "L1 filter masks", sparsity=0.5, criterion="l1", pattern="filter", weights="hidden_*"
        ),
        masked("static", sparsity=0.9, criterion="random", scope="erk", schedule="static"),
        arm("SET", IMAGES, Dynamic(0.9, grow="random")),
        arm("lottery, rewound", IMAGES, Lottery(0.8, rounds=3, rewind=0.05)),
        arm("L1 channels", CNN, Remove(0.5, kind="channel")),
        arm("Taylor neurons", IMAGES, Remove(0.5, criterion="taylor")),
        arm("LSQ", IMAGES, Quantize(bits=3, method="lsq")),
        arm("weight only", IMAGES, Quantize(bits=4, activations=32)),
        arm("ternary", IMAGES, Quantize(grid="ternary")),
        arm("binary", IMAGES, Quantize(grid="binary")),
        arm("first and last at 8 bits", IMAGES, Quantize(bits=2, keep=("hidden_0", "head"))),
        arm("PTQ, static, 99.9 %", IMAGES, Quantize(method="ptq", static=True, input_clip="99.9%")),
        arm("int8 training", IMAGES, Precision("int8")),
        arm("stored outputs", IMAGES, Distill(stored=True), teacher="baseline"),
        arm("features", IMAGES, Distill(features="hidden_0=hidden_0"), teacher="baseline"),
        arm("baseline", TEXT),
        arm("blocks dropped", dataclasses.replace(TEXT), Remove(0.5, kind="layer")),
        arm(
            "sequences",
            TEXT,
            Distill(level="sequence", temperature=1.0, amount=4096),
            teacher="baseline",
        ),
    ),
    seeds=1,
)
