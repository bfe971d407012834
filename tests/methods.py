"""Every method that has a card, as the settings with which the contract is tried on it."""

from __future__ import annotations

import dataclasses

from efficient.check.case import CASES
from efficient.models.lenet import LeNet5Spec

#: By the name of the card in docs/variants. Text as in `--variants`.
METHODS = {
    "magnitude-pruning": "prune:sparsity=0.75,updates=4",
    "global-magnitude-pruning": "prune:sparsity=0.6,scope=global,updates=4",
    "erk": "prune:sparsity=0.75,scope=erk,updates=4",
    "random-pruning": "prune:sparsity=0.75,criterion=random,updates=4",
    "snip": "prune:sparsity=0.75,criterion=snip,scope=global,schedule=static",
    "grasp": "prune:sparsity=0.5,criterion=grasp,scope=global,schedule=static",
    "synflow": "prune:sparsity=0.75,criterion=synflow,scope=global,schedule=static,iterations=5",
    "saliency": "prune:sparsity=0.75,criterion=saliency,schedule=one_shot,begin=0.5",
    "n-m-sparsity": "prune:pattern=2:4,schedule=one_shot,begin=0.3",
    "block-sparsity": "prune:sparsity=0.5,pattern=4x2,updates=4",
    "filter-masks": "prune:sparsity=0.5,criterion=l1,pattern=filter,schedule=one_shot,begin=0.5",
    "static-sparse-training": "prune:sparsity=0.75,criterion=random,schedule=static",
    "set": "dynamic:sparsity=0.75,grow=random,interval=2",
    "rigl": "dynamic:sparsity=0.75,interval=2",
    "lottery-tickets": "lottery:sparsity=0.5,rounds=2",
    "iterative-pruning": "lottery:sparsity=0.5,rounds=2,rewind=0.25",
    "channel-pruning": "remove:kind=channel",
    "head-pruning": "remove:kind=head",
    "neuron-pruning": "remove:kind=neuron,criterion=taylor",
    "layer-dropping": "remove:kind=layer",
    "post-training-quantization": "quantize:method=ptq",
    "percentile-and-mse-clipping": "quantize:method=ptq,bits=4,clip=mse,static=true",
    "quantization-aware-training": "quantize:bits=4",
    "lsq": "quantize:method=lsq,bits=4,activations=8",
    "weight-only-quantization": "quantize:bits=4,activations=32",
    "ternary-weights": "quantize:grid=ternary",
    "binary-weights": "quantize:grid=binary",
    "mixed-precision-layers": "quantize:bits=4,keep=head",
    "bf16-training": "precision",
    "int8-training": "precision:dtype=int8",
    "distillation": "distill",
    "self-distillation": "distill:mix=0.5,temperature=1",
    "stored-teacher-outputs": "distill:stored=true",
    "sequence-distillation": "distill:level=sequence,temperature=1,amount=512",
}
#: Tried on images in the default suite: what no other test of it trains. The slow one tries all.
FIRST = ("neuron-pruning",)
#: Cards of methods that the table cannot hold, and where they are tried.
ELSEWHERE = {
    "small-dense": "it is no variant but another network",
    "fp8-training": "it needs hardware; tests/run/test_lowering.py lowers it for that",
    "ensemble-distillation": "it needs two teachers: tests/variants/test_distill.py",
    "feature-matching": "it names layers of one network: tests/variants/test_distill.py",
}


def cases(method: str) -> dict:
    """The tiny runs of a method: of other networks where those of all have no such unit."""
    if method == "channel-pruning":
        network = LeNet5Spec(channels=(4, 6), hidden=(12,))
        return {"images": dataclasses.replace(CASES["images"], model=network)}
    if method == "layer-dropping":
        deeper = dataclasses.replace(CASES["text"].model, depth=2)
        return {"text": dataclasses.replace(CASES["text"], model=deeper)}
    if method == "mixed-precision-layers":
        return {"images": CASES["images"]}
    return CASES
