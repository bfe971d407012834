"""What is fast once it is shipped? For `efficient bench`: float32, bfloat16, int8, smaller.

A perceptron of 784-1200-1200-10, LeNet-5 and a wider LeNet on MNIST, and a GPT of 6 layers, width
384 and 256 characters of context on tiny_shakespeare. int8 is rounded after training; `smaller`
loses half of its channels, or of its heads and neurons; `all three` is pruned, quantized and
distilled in one run.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.variants import Distill, Precision, Prune, Quantize, Remove
from efficient.workloads import LanguageModel

MNIST, CNN = load_preset("mnist_mlp"), load_preset("mnist_cnn")
MLP = dataclasses.replace(
    MNIST, model=MLPSpec(hidden=(1200, 1200)), train_for="5 epochs", evaluations=2
)
WIDE = dataclasses.replace(CNN, model=LeNet5Spec(channels=(32, 64)), train_for="3 epochs")
NANOGPT = load_preset("shakespeare_gpt_gpu")
GPT = dataclasses.replace(
    NANOGPT,
    workload=LanguageModel(data="tiny_shakespeare", context=256),
    model=GPTSpec(depth=6, width=384, heads=6, hidden=1536),
    train_for="150 steps",
    batch_size=8,
    evaluations=1,
    select="final",
    eval_batch_size=16,
)


def family(name: str, config: Config, minutes: float) -> list[Arm]:
    """A network in float32, trained in bfloat16, and rounded to int8 after training."""
    rounded = dataclasses.replace(
        config, variants=(Quantize(method="ptq", static=True),), train_for="0 steps"
    )
    narrow = dataclasses.replace(config, variants=(Precision(),))
    return [
        Arm(name, config, seeds=1, minutes=minutes),
        Arm(f"{name}, bf16", narrow, seeds=1, minutes=minutes),
        Arm(f"{name}, int8", rounded, start=name, seeds=1, minutes=0.3),
    ]


def smaller(name: str, config: Config, minutes: float) -> Arm:
    made = dataclasses.replace(config, variants=(Remove(0.5),))
    return Arm(f"{name}, smaller", made, seeds=1, minutes=minutes)


ALL_THREE = dataclasses.replace(
    CNN,
    variants=(
        Prune(sparsity=0.9, scope="erk"),
        Quantize(bits=4, activations=8),
        Distill(temperature=4.0, mix=0.7),
    ),
)
MASKED = dataclasses.replace(MLP, variants=(Prune(sparsity=0.9),))

experiment = Experiment(
    title="Shipped: what is fast",
    arms=(
        *family("MLP", MLP, 2),
        Arm("MLP, masked", MASKED, seeds=1, minutes=2),
        *family("LeNet-5", CNN, 2.5),
        Arm("LeNet-5, all three", ALL_THREE, teacher="LeNet-5", seeds=1, minutes=4),
        Arm("wide LeNet", WIDE, seeds=1, minutes=6),
        smaller("wide LeNet", WIDE, 4),
        *family("GPT", GPT, 4),
        smaller("GPT", GPT, 3),
    ),
    seeds=1,
)
