"""CIFAR-10, ResNet-20 (He et al. 2015, arXiv 1512.03385) with a one-cycle schedule.

efficient train cifar10_resnet     about half an hour on two CPU cores; test accuracy 0.80 or more
after 10 epochs. Accuracies of the literature hold for the lossless images only.
"""

from efficient import Config
from efficient.models.resnet import ResNetSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import ImageClassification

config = Config(
    workload=ImageClassification(data="cifar10", crop=4, flip=True),
    model=ResNetSpec(),
    optimizer=Optimizer(
        name="sgd",
        lr=0.4,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        schedule=Schedule("linear", warmup=0.2),
    ),
    train_for="10 epochs",
    batch_size=128,
    evaluations=10,
    eval_batch_size=500,
    checkpoint_s=120.0,
)
