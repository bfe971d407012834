"""tiny_shakespeare by characters, nanoGPT's setting for a CPU (karpathy/nanoGPT, README).

efficient train shakespeare_gpt    about two minutes on two CPU cores; validation loss 1.90 or less.
nanoGPT prints 1.88 on its validation part, which is TFDS's validation and test parts together.
"""

from efficient import Config
from efficient.models.gpt import GPTSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import LanguageModel

config = Config(
    workload=LanguageModel(data="tiny_shakespeare", context=64),
    model=GPTSpec(depth=4, width=128, heads=4, hidden=512, bias=False),
    optimizer=Optimizer(
        name="adamw",
        lr=1e-3,
        b2=0.99,
        weight_decay=0.1,
        clip_norm=1.0,
        schedule=Schedule("cosine", warmup=0.05, end=0.1),
    ),
    train_for="2000 steps",
    batch_size=12,
    eval_batch_size=64,
)
