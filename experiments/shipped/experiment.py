"""What is fast once it is shipped? For `efficient bench`: float32, bfloat16, int8, smaller.

A perceptron of 784-1200-1200-10, LeNet-5 and a wider LeNet on MNIST, and a GPT of 6 layers, width
384 and 256 characters of context on tiny_shakespeare. bf16 and int8 are rounded after training (but
for `trained in bf16`), with calibrated steps of the inputs (but for `dynamic`); `smaller` loses
half of its channels, or of its heads and neurons; `all three` is pruned, quantized and distilled in
one run. The wide LeNet and the GPT are trained briefly: they are here for their speed, and for what
rounding takes from them.
"""

import dataclasses

from efficient.config import Config, load_preset
from efficient.experiment import Arm, Experiment
from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.variants import Distill, Precision, Prune, Quantize, Remove, Variant
from efficient.workloads import LanguageModel

MNIST, CNN = load_preset("mnist_mlp"), load_preset("mnist_cnn")
MLP = dataclasses.replace(
    MNIST, model=MLPSpec(hidden=(1200, 1200)), train_for="5 epochs", evaluations=2
)
WIDE = dataclasses.replace(CNN, model=LeNet5Spec(channels=(32, 64)), train_for="1 epoch")
NANOGPT = load_preset("shakespeare_gpt_gpu")
GPT = dataclasses.replace(
    NANOGPT,
    workload=LanguageModel(data="tiny_shakespeare", context=256),
    model=GPTSpec(depth=6, width=384, heads=6, hidden=1536),
    train_for="100 steps",
    batch_size=8,
    evaluations=1,
    select="final",
    eval_batch_size=16,
)


def family(name: str, config: Config, minutes: float) -> list[Arm]:
    """A network in float32, and the same rounded to bfloat16 and to int8."""

    def rounded(dtype: str, variant: Variant) -> Arm:
        made = dataclasses.replace(config, variants=(variant,), train_for="0 steps")
        return Arm(f"{name}, {dtype}", made, start=name, minutes=0.3)

    return [
        Arm(name, config, minutes=minutes),
        rounded("bf16", Precision()),
        rounded("int8", Quantize(method="ptq", static=True)),
    ]


def smaller(name: str, config: Config, minutes: float) -> Arm:
    made = dataclasses.replace(config, variants=(Remove(0.5),))
    return Arm(f"{name}, smaller", made, minutes=minutes)


ALL_THREE = dataclasses.replace(
    CNN,
    variants=(
        Prune(sparsity=0.93, scope="erk"),
        Quantize(bits=4, activations=8),
        Distill(temperature=4.0, mix=0.7),
    ),
)
DYNAMIC = dataclasses.replace(CNN, variants=(Quantize(method="ptq"),), train_for="0 steps")
MASKED = dataclasses.replace(MLP, variants=(Prune(sparsity=0.9),))
NARROW = dataclasses.replace(MLP, variants=(Precision(),))

experiment = Experiment(
    title="Shipped: what is fast",
    arms=(
        *family("MLP", MLP, 2),
        Arm("MLP, trained in bf16", NARROW, minutes=1),
        Arm("MLP, masked", MASKED, minutes=2),
        *family("LeNet-5", CNN, 2.5),
        Arm("LeNet-5, int8 dynamic", DYNAMIC, start="LeNet-5", minutes=0.3),
        Arm("LeNet-5, all three", ALL_THREE, teacher="LeNet-5", minutes=4),
        Arm("wide LeNet", WIDE, minutes=2),
        smaller("wide LeNet", WIDE, 2),
        *family("GPT", GPT, 4),
        smaller("GPT", GPT, 3),
    ),
    seeds=1,
)
