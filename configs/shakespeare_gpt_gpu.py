"""tiny_shakespeare by characters, nanoGPT's setting for a GPU (config/train_shakespeare_char.py).

efficient train shakespeare_gpt_gpu    minutes on one GPU. nanoGPT selects the best of its
evaluations and prints 1.4697; so does `select="best"`.
"""

from efficient import Config
from efficient.models.gpt import GPTSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import LanguageModel

config = Config(
    workload=LanguageModel(data="tiny_shakespeare", context=256),
    model=GPTSpec(depth=6, width=384, heads=6, hidden=1536, dropout=0.2, bias=False),
    optimizer=Optimizer(
        name="adamw",
        lr=1e-3,
        b2=0.99,
        weight_decay=0.1,
        clip_norm=1.0,
        schedule=Schedule("cosine", warmup=0.02, end=0.1),
    ),
    train_for="5000 steps",
    batch_size=64,
    evaluations=20,
    select="best",
    eval_batch_size=64,
)
