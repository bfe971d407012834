"""The source text of Python's standard library as bytes, a GPT of four blocks.

efficient train pystdlib_gpt   at most 15 minutes on two CPU cores; bits per byte below a trigram
model of the same training split
"""

from efficient import Config
from efficient.models.gpt import GPTSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import LanguageModel

config = Config(
    workload=LanguageModel(data="pystdlib", context=128, windows=1024),
    model=GPTSpec(depth=4, width=128, heads=4, hidden=512, bias=False),
    optimizer=Optimizer(
        name="muon",
        lr=2e-2,
        momentum=0.95,
        weight_decay=0.01,
        schedule=Schedule("cosine", warmup=0.05),
    ),
    train_for="1500 steps",
    batch_size=16,
    eval_batch_size=64,
)
