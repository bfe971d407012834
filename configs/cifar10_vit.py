"""CIFAR-10, a small vision transformer on patches of 4x4.

efficient train cifar10_vit    made for an accelerator; hours on two CPU cores
"""

from efficient import Config
from efficient.models.vit import ViTSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import ImageClassification

config = Config(
    workload=ImageClassification(data="cifar10", crop=4, flip=True),
    model=ViTSpec(),
    optimizer=Optimizer(
        name="adamw",
        lr=1e-3,
        b2=0.99,
        weight_decay=0.05,
        clip_norm=1.0,
        schedule=Schedule("cosine", warmup=0.1),
    ),
    train_for="50 epochs",
    batch_size=256,
    label_smoothing=0.1,
    evaluations=10,
    eval_batch_size=500,
)
