"""The source text of Python's standard library as bytes, the smallest GPT that learns anything.

efficient train pystdlib_tiny  seconds on two CPU cores: to try commands, no result of its own
"""

from efficient import Config
from efficient.models.gpt import GPTSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import LanguageModel

config = Config(
    workload=LanguageModel(data="pystdlib", context=32, windows=256),
    model=GPTSpec(depth=2, width=32, heads=2, hidden=128),
    optimizer=Optimizer(name="adamw", lr=5e-3, schedule=Schedule("cosine", warmup=0.05)),
    train_for="300 steps",
    batch_size=16,
    eval_batch_size=64,
    evaluations=2,
)
